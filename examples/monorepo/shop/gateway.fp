# A proxy in front of all services, with a generated configuration.
gateway({ debian, services, environment }) = container {
  name = "shop/gateway"
  tag = environment.name
  packages = [debian.nginx-light]
  entrypoint = ["/usr/sbin/nginx", "-g", "daemon off;"]
  files = { "/etc/nginx/conf.d/shop.conf" = routes(environment, services) }
  ports = [80]
}

routes(environment, services) = """
  server {
    listen 80;
    server_name ${environment.domain};
    ${join(["location /${s.name}/ { proxy_pass ${s.address}/; }" for s in values(services)], "\n")}
  }
"""
