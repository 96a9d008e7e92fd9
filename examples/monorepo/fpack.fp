# A monorepo of 40 services: each directory of shop/services is one, and says in a few lines what only it knows.
development = package-set(./shop)

# An environment is a layer. What it changes reaches the image and the configuration of every service.
staging = development.extend {
  environment = { name = "staging", domain = "staging.example.org", replicas = 2, log = "info" }
}

production = staging.extend {
  environment.name = "production"
  environment.domain = "example.org"
  environment.replicas = 4
  services.cart.replicas = 12
}

image = production.services.cart.image
