# Make a service of its code: the address, the generated configuration and the image that all services have alike.
app({ debian, environment }) =
  ({ name: string, port: int, code: path, needs: list = [], replicas = environment.replicas }) =>
  {
    name, port, replicas
    address = "http://${name}.${environment.domain}:${port}"
    config = {
      name, port
      stage = environment.name
      log = environment.log
      peers = { ${peer.name} = peer.address for peer in needs }
    }
    image = container {
      name = "shop/${name}"
      tag = environment.name
      packages = [debian.python3]
      entrypoint = ["/usr/bin/python3", "/srv/serve.py"]
      files = {
        "/srv/serve.py" = ../common/serve.py
        "/srv/handler.py" = code
        "/etc/shop/config.json" = to-json(config)
      }
      ports = [port]
      user = "www-data"
    }
  }
