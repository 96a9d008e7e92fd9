# Node.js 20 to run programs with: docker.io's node image as its user `node`, without npm and yarn.
#
#   fpack pack node
#   podman load -i node.tar
#   podman run -it -v .:/app:ro -w /app localhost/node:20 node server.js
#
# Install an application's modules where it is built, and bring them with it.

debian = import("fpack/debian").trixie

modules = "/usr/share/nodejs"

image = container {
  name = "node"
  tag = "20"

  # The parts of Node.js that Debian packages by themselves are read by name when it starts, so nothing leads to them.
  closure = "linked"
  data-packages = false
  interpreted = false
  packages = [
    debian.nodejs, debian.node-acorn, debian.node-cjs-module-lexer, debian.node-minimatch, debian.node-undici,
    debian.ca-certificates, debian.tzdata, debian.dash, debian.coreutils,
  ]
  rules = {
    node-acorn = { keep = ["${modules}/acorn/dist/acorn.js", "${modules}/acorn-walk/dist/walk.js"] }
    node-cjs-module-lexer = {
      keep = ["${modules}/cjs-module-lexer/lexer.js", "${modules}/cjs-module-lexer/dist/lexer.js"]
    }
    node-minimatch = { keep = ["${modules}/minimatch/dist/cjs/index.bundle.js"] }
    node-undici = { keep = ["${modules}/undici/undici-fetch.js"] }
    coreutils = { keep = ["/usr/bin/env"] } # for `#!/usr/bin/env node`
    ca-certificates = { keep = ["/usr/share/ca-certificates"] }
    tzdata = { keep = ["/usr/share/zoneinfo"] }
  }

  command = ["node"]
  init = if command == ["node"] then false else null # another program may need one
  user = "node"
  workdir = "/home/node"

  # The system's certificates, as they are in the image or mounted over it, besides those that are compiled in.
  env = { NODE_EXTRA_CA_CERTS = "/etc/ssl/certs/ca-certificates.crt" }

  directories = { "/home/node" = { user = "node" } }
}
