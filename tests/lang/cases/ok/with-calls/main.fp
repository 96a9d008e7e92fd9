package({ name, version, source = "src-${version}" }) = { id = "${name}-${version}", made-from = source, type = "thing" }
redis = package {
  name = "redis"
  version = "1"
  source = "https://example.org/${name}-${version}"
}
wrapped({ level }) = package { name = "w${level}", version = "v${level}" }
result = [
  redis,
  redis.with { version = "2" },
  redis.with { version = "2" }.with { name = "r" },
  redis.with { source = "here" }.with { version = "3" },
  wrapped { level = 1 }.with { level = 2 },
]
