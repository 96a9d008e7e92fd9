redis = {
  version = "7.4.2"
  url = "https://example.org/redis-${version}.tar.gz"
  flags = ["-O2"]
}
newer = redis.with { version = "8.0.0" }
result = {
  newer
  both = newer.with { flags = [...newer.flags, "-g"] }
  computed = redis.with(old => { flags = [...old.flags, "-g"] })
  flat = { a = 1, b = 2 }.with { b = 3 }.extend { c = 4 }
  old = redis.url
}
