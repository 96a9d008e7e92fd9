debian = import("fpack/debian").trixie

redis = make {
  name = "redis"
  version = "8.0.2"
  source = fetch {
    url = "mirror://debian/pool/main/r/redis/redis_${version}.orig.tar.gz"
    sha256 = "caf3c0069f06fc84c5153bd2a348b204c578de80490c73857bee01d9b5d7401f"
  }
  tools = [debian.pkgconf, debian."g++"]
  libs = [debian.libssl-dev]
  flags = ["BUILD_TLS=yes"]

  # Start a server and use it. The whole test suite would take half an hour.
  check = """
    src/redis-server --port 0 --unixsocket /tmp/redis --daemonize yes
    for try in 1 2 3 4 5 6 7 8 9; do
      if src/redis-cli -s /tmp/redis ping; then break; fi
      sleep 0.2
    done
    src/redis-cli -s /tmp/redis set greeting hello
    test "$(src/redis-cli -s /tmp/redis get greeting)" = hello
    src/redis-cli -s /tmp/redis shutdown nosave
  """
}

image = container {
  packages = [redis]
  closure = "linked"
  entrypoint = ["${redis}/bin/redis-server"]
  command = ["--protected-mode", "no"]
  ports = [6379]
  user = "redis"
  workdir = "/data"
  volumes = ["/data"]

  directories = { "/data" = { user = "redis" } }
}

# The same package, compiled for a debugger: only these fields differ.
debug = redis.with { flags = ["BUILD_TLS=yes", "noopt"], strip = false }
