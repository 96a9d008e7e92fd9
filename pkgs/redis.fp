# Redis 8: a drop-in for docker.io's redis image, without its modules (JSON, search, time series, probabilistic types).
#
#   fpack pack redis
#   podman load -i redis.tar
#   podman run -v redis:/data -p 6379:6379 localhost/redis:8.0
#
# Options follow the image's name (--appendonly yes), or a file of them: -v ./redis.conf:/redis.conf ... /redis.conf

debian = import("fpack/debian").trixie

image = container {
  name = "redis"
  tag = "8.0"

  # The programs, and what they load. redis-server without its /etc: it would listen on localhost, in the background.
  closure = "linked"
  data-packages = false
  interpreted = false
  packages = [debian.redis-server.slice { keep = ["/usr/bin"] }, debian.redis-tools, debian.dash]

  entrypoint = ["docker-entrypoint.sh"]
  command = ["redis-server"]
  init = false
  user = "redis"
  workdir = "/data" # where Redis reads and writes its data
  volumes = ["/data"]
  ports = [6379]

  # An error, such as the one that asks for a password, is an answer too.
  healthcheck = { command = ["redis-cli", "ping"], interval = "10s", timeout = "3s" }
  run-options = ["-v redis:/data"]

  files = { "/usr/local/bin/docker-entrypoint.sh" = ./redis/entrypoint.sh }
  # Open to any --user, as the volume's first owner cannot be known.
  directories = { "/data" = { mode = "1777", user = "redis" } }
}

# A store beside a developer shell: services = { cache = import("fpack/redis").service {} }
#
# Programs find it by REDIS_URL, on a socket, or with a `port` on this machine.
service({ port: int | null = null }) = import("fpack/shell").service {
  start = """
    cd "$DATA"
    exec redis-server --unixsocket "$RUN/redis.sock" --port ${if port == null then 0 else port} --bind 127.0.0.1 --save 60 1
  """
  env = { LANG = "C" } # the image has no other locale
  ports = if port == null then [] else [port]
  ready = "redis-cli -s \"$RUN/redis.sock\" ping"
  exports = {
    REDIS_SOCKET = "$RUN/redis.sock"
    REDIS_URL = if port == null then "unix://$RUN/redis.sock" else "redis://127.0.0.1:${port}"
  }
  image
}
