package({ name: string, version: string }) = "${name}-${version}"
versions = { redis = 7.4 }
named(name) = package {
  name
  version = get(versions, name)
}
result = named("redis")
