# What a cluster runs, generated from all services.
deployment({ services, environment }) = text("${environment.name}.json", to-json([
  {
    image = "registry.example.org/shop/${s.name}:${environment.name}"
    name = s.name
    port = s.port
    replicas = s.replicas
  }
  for s in values(services)
]))
