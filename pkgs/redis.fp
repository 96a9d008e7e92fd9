# Redis 8: a drop-in for docker.io's redis image, without its modules (JSON, search, time series, probabilistic types).
#
#   fpack pack redis
#   podman load -i redis.tar
#   podman run -v redis:/data -p 6379:6379 localhost/redis:8.0
#
# Add options after the image's name (--appendonly yes), or mount and name a file of settings:
# -v ./redis.conf:/redis.conf ... /redis.conf

debian = import("fpack/debian").trixie

image = container {
  name = "redis"
  tag = "8.0"

  # Only the programs: with Debian's /etc/redis, the server would listen on localhost only, and go into the background.
  closure = "linked"    # besides these packages, only those whose libraries and programs they load
  data-packages = false # no dependency that has nothing but data: each that is needed is listed
  interpreted = false   # nor what scripts and modules load
  packages = [debian.redis-server.slice { keep = ["/usr/bin"] }, debian.redis-tools, debian.dash]

  entrypoint = ["docker-entrypoint.sh"]
  command = ["redis-server"]
  init = false # the server handles signals as the first process
  user = "redis"
  workdir = "/data" # where Redis reads and writes its data
  volumes = ["/data"]
  ports = [6379]

  # Any answer is healthy, also the error that asks for a password.
  healthcheck = { command = ["redis-cli", "ping"], interval = "10s", timeout = "3s" }
  run-options = ["-v redis:/data"]

  files = { "/usr/local/bin/docker-entrypoint.sh" = ./redis/entrypoint.sh }
  # Any --user can write to it: the owner of a new volume is not known.
  directories = { "/data" = { mode = "1777", user = "redis" } }
}

# Run Redis beside a developer shell: services = { cache = import("fpack/redis").service {} }
#
# Programs find it by REDIS_URL. port: a TCP port of 127.0.0.1; null: only a socket.
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
