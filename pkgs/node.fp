# Node.js 20, to run programs: docker.io's node image with its user `node`, without npm and yarn.
#
#   fpack pack node
#   podman load -i node.tar
#   podman run -it -v .:/app:ro -w /app localhost/node:20 node server.js
#
# Install the modules of an application where you build it, and copy or mount them with it.

debian = import("fpack/debian").trixie

modules = "/usr/share/nodejs"

image = container {
  name = "node"
  tag = "20"

  # Debian has parts of Node.js in packages of their own. Node.js reads their files by name when it starts, which the
  # search for linked files cannot see. So the packages are listed.
  closure = "linked"    # besides these packages, only those whose libraries and programs they load
  data-packages = false # no dependency that has nothing but data: each that is needed is listed
  interpreted = false   # nor what scripts and modules load
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

  # Trust the certificates of the image, or those mounted in their place, besides the compiled-in ones.
  env = { NODE_EXTRA_CA_CERTS = "/etc/ssl/certs/ca-certificates.crt" }

  directories = { "/home/node" = { user = "node" } }
}
