rollout({ component, config, monitor, data, shop }) = component {
  name = "ops-rollout"
  version = "2.0.2"
  libs = [config, monitor, data.toml, shop.gift]
}
