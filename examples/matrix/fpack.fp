# Lua in three versions, for two architectures, alone and with a library: 12 images.
debian = import("fpack/debian").trixie

lua = {
  "${version}-${arch}-${variant}" = container {
    name = "lua"
    tag = "${version}-${variant}"
    platform = "linux/${arch}"
    packages = [debian."lua${version}", ...libraries]
    entrypoint = ["/usr/bin/lua${version}"]
    closure = "linked"
  }
  for version in ["5.1", "5.3", "5.4"]
  for arch in ["amd64", "arm64"]
  for variant, libraries in { plain = [], json = [debian.lua-cjson] }
}
