# A monorepo of 40 services: each directory of shop/services is one, and says in a few lines what only it knows.
development = package-set(./shop)

# An environment is a layer. What it changes reaches the image and the configuration of every service.
staging = development.extend {
  environment = { name = "staging", domain = "staging.example.org", replicas = 2, log = "info" }
}
production = staging.extend((old, new) => {
  environment = { ...old.environment, name = "production", domain = "example.org", replicas = 4 }
  services    = old.services.extend((o, n) => { cart = o.cart.with { replicas = 12 } })
})

image = production.services.cart.image
