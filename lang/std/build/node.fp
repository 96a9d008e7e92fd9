# Node programs, with packages that are locked by hash.

# lock: a package-lock.json or npm-shrinkwrap.json (versions 1 to 3), pnpm-lock.yaml (5 to 9) or yarn.lock (of any version).
# project: the package.json of the source. Without `lock`, what it depends on is resolved once, and recorded in fpack.lock.
# omit: kinds of dependencies to omit; a `build` still has those of development, which are removed after it. scripts: run
# the install scripts of packages, in the sandbox, with the compilers for extensions; otherwise the log lists the packages
# that have scripts. node: another version than the release's, as a range such as "22": the binary of Node's authors that
# npm's registry has, recorded in fpack.lock. apart: install the packages as a derivation of its own, which an edit does not
# install again. All else is as in `package`.
# The program is in $out/app; $out/bin has the commands that its package.json defines.
node({
  lock: path | null = null,
  project: path | null = null,
  omit: list = ["dev"],
  scripts: bool = false,
  node: string | null = null,
  apart: bool = true,
  ...rest
}) =
  let
    simple = project == null && node == null && lock != null && is-current(lock)
  in
    if simple then with-npm({ lock, omit, scripts, apart, given = rest })
    else import("./node-planned.fp").planned({ lock, project, omit, scripts, node, apart, given = rest })

# True for a lock of npm 7 or newer with an SHA-2 digest of each package, which npm itself can install from.
is-current(lock) =
  let
    content = read-text(lock)
    data = if starts-with(trim(content), "{") then from-json(content) else {}
  in get(data, "lockfileVersion", 1) >= 2 && has(data, "packages")
    && all(values(data.packages), p => match(get(p, "integrity", "sha512-"), "(?s).*sha(256|384|512)-.*") != null)

with-npm({ lock, omit, scripts, apart, given }) =
  let
    common = import("./common.fp")
    data = read-json(lock)
    cpu = cpu-of(common.arch-of(given))
    wanted = { ${where} = p for where, p in data.packages if is-fetched(omit, cpu, p) }
    listing = text("files.json", to-json(map-record(wanted, (where, p) => "${archive(where, p)}")))
    ignore = if scripts then "" else " --ignore-scripts"
    left-out = join([" --omit=${o}" for o in omit], "")
    scripted = [
      head(reverse(split(where, "node_modules/")))
      for where, p in wanted
      if get(p, "hasInstallScript", false)
    ]
    compilers = ["g++", "make", "python3", "node-gyp", "libnode-dev"]
    tools = ["nodejs", "npm", ...if scripts then compilers else []]
    # npm takes each archive from the store, and checks its integrity again.
    install = """
      cp package-lock.json /build/package-lock.json
      node -e '
        const fs = require("fs")
        const lock = JSON.parse(fs.readFileSync("package-lock.json"))
        const files = JSON.parse(fs.readFileSync(process.env.files))
        for (const [where, file] of Object.entries(files)) lock.packages[where].resolved = "file:" + file
        fs.writeFileSync("package-lock.json", JSON.stringify(lock))'
      npm ci --offline --no-audit --no-fund${ignore}${left-out}
      cp /build/package-lock.json package-lock.json
      rm -f node_modules/.package-lock.json
      ${if scripts then left-by-compilers else ":"}
    """
    variables = { npm_config_cache = "/build/npm", npm_config_update_notifier = "false" }
    archives = { files = "${listing}" }
    own = import("./apart-node.fp")
    note = if scripts || scripted == [] then "" else "echo '${not-run(scripted)}'\n"
    prepare = note + own.taken-or(install)
    modules = if apart then own.modules(given, data, scripts, tools, prepare, { ...variables, ...archives })
      else null
  in common.with-defaults(given, tools, {
    configure = prepare
    check = null
    install = """
      mkdir -p "$out/bin"
      cp -r . "$out/app"
      node -e '
        const fs = require("fs"), path = require("path")
        const p = JSON.parse(fs.readFileSync("package.json"))
        const bin = typeof p.bin === "string" ? { [p.name.split("/").pop()]: p.bin } : p.bin || {}
        for (const [name, file] of Object.entries(bin)) {
          fs.chmodSync(path.join(process.env.out, "app", file), 0o755)
          fs.symlinkSync(path.join("../app", file), path.join(process.env.out, "bin", name))
        }'
    """
    env = { ...variables, ...if modules == null then archives else { node_packages = "${modules}" } }
    runtime = common.debian-tools(given, ["nodejs"])
  })

not-run(names) = "the scripts of ${join(names, ", ")} do not run: scripts = true runs them"

# Objects and makefiles that node-gyp leaves beside its results; they contain the path of the build directory.
left-by-compilers = """
  find node_modules -path '*/build/config.gypi' -printf '%h\\n' | while read -r each; do
    rm -rf "$each"/Makefile "$each"/*.Makefile "$each"/*.mk "$each/config.gypi" "$each"/Release/{.deps,obj.target}
  done
"""

# True if npm fetches a package: it is not a link, not bundled in another archive, not omitted, and for this system.
is-fetched(omit, cpu, p) =
  has(p, "integrity") && has(p, "version") && !get(p, "link", false) && !get(p, "inBundle", false)
  && !(contains(omit, "dev") && get(p, "dev", false))
  && !(contains(omit, "optional") && get(p, "optional", false))
  # What both development and an optional package need is omitted with both.
  && !(contains(omit, "dev") && contains(omit, "optional") && get(p, "devOptional", false))
  && suits(get(p, "os", []), "linux") && suits(get(p, "cpu", []), cpu) && suits(get(p, "libc", []), "glibc")

suits(systems, own) =
  systems == [] || contains(systems, own)
  || any(systems, s => starts-with(s, "!")) && !contains(systems, "!${own}")

cpu-of(arch) = get({ amd64 = "x64", arm64 = "arm64", armhf = "arm", i386 = "ia32", ppc64el = "ppc64" }, arch, arch)

# A lock may omit the URL of a package; then the package is in the registry.
archive(where, p) =
  let
    whole = get(p, "name", head(reverse(split(where, "node_modules/"))))
    file = "${head(reverse(split(whole, "/")))}-${p.version}.tgz"
  in derivation {
    kind = "npm"
    name = store-name(file)
    url = get(p, "resolved", "")
    path = "${whole}/-/${file}"
    integrity = p.integrity
  }
