config = {
  name = "app"
  debug = false
  tags = ["no", "1.10", "plain"]
  server = { port = 80, run = "set -e\nexec app\n" }
}
result = [to-yaml(config), to-toml(config), to-ini({ app = { tags = config.tags, port = 80 } })]
