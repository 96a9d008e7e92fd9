# Node programs whose packages are planned by fpack: read from the lock of npm, pnpm or Yarn, or resolved into fpack.lock.

# The fields are those of `node`.
planned({ lock, project, omit, scripts, node, apart, given }) =
  let
    common = import("./common.fp")
    builds = (given.build or null) != null
    system = common.debian-tools(given, ["nodejs"])
    plan = planner({
      node = if outer.node == null then head(match(head(system).version, "(?:\\d+:)?(\\d+\\.\\d+\\.\\d+).*")) else ""
      version = outer.node
      npm = builds || scripts
      arch = common.arch-of(given)
      omit = if builds then [o for o in omit if o != "dev"] else omit
      lock, project
    })
    own = if plan.runtime == null then null else runtime(given, archive(plan.runtime), plan.runtime.version)
    interpreter = if own == null then system else [own]
    # What only the build needs is removed after it.
    removed =
      if builds && contains(omit, "dev") then [p.where for p in [...plan.packages, ...plan.links] if p.dev] else []
    with-interpreter = { ...given, tools = [...given.tools or [], ...interpreter] }
    layout = "${text("layout.js", layout-script)}"
    of-packages = { ${p.where} = true for p in plan.packages }
    # Links to directories of the project are made beside these.
    locked = {
      packages = [{ where = p.where, archive = "${archive(p)}" } for p in plan.packages]
      links = [{ where = l.where, to = l.to } for l in plan.links if has(of-packages, l.to)]
    }
    own-modules = import("./apart-node.fp")
    modules = if !apart || scripts || plan.packages == [] then null
      else own-modules.laid-out(with-interpreter, lay-out("record"), {
        layout
        plan = "${text("modules.json", to-json({ ...locked, members = [], interpreter = "", removed = [] }))}"
      })
    listing = text("plan.json", to-json({
      ...if modules == null then locked else { packages = [], links = [] }
      members = [{ where = l.where, to = l.to } for l in plan.links if !has(of-packages, l.to)]
      directories = own-modules.directories([...plan.packages, ...plan.links])
      interpreter = if own == null then "" else "${own}/bin/node"
      removed = removed
    }))
    compilers = ["g++", "make", "python3", ...if own == null then ["libnode-dev"] else []]
  in common.with-defaults(with-interpreter, if scripts then compilers else [], {
    configure = """
      ${if plan.npm == null then ":" else "npm_archive=${archive(plan.npm)}\n${npm-commands}"}
      ${own-modules.laid-out-or(lay-out(if scripts then "quiet" else ""))}
      ${if scripts then "npm rebuild --offline --no-audit --no-fund\n${import("./node.fp").left-by-compilers}" else own-modules.same-times}
    """
    check = null
    install = """
      node "$layout" prune
      mkdir -p "$out/bin"
      cp -r . "$out/app"
      node "$layout" commands
    """
    env = {
      layout
      plan = "${listing}"
      ...if modules == null then {} else { node_packages = "${modules}" }
      HOME = "/build"
      npm_config_cache = "/build/npm"
      npm_config_update_notifier = "false"
      npm_config_offline = "true"
      NEXT_TELEMETRY_DISABLED = "1"
      ASTRO_TELEMETRY_DISABLED = "1"
      ...if scripts then { npm_config_nodedir = if own == null then "/usr" else "${own}" } else {}
    }
    runtime = interpreter
  })

# Another Node than the release's, as its authors built it: from the archive that the registry has.
runtime(given, file, version) =
  let common = import("./common.fp") in
  package {
    name = "node"
    version
    source = "${file}"
    release = given.release or null
    platform = given.platform or null
    install = """
      mkdir -p "$out/bin"
      cp bin/node "$out/bin/node"
      cp -r include "$out/include"
    """
    strip = false
    runtime = common.debian-tools(given, ["libatomic1", "libc6", "libgcc-s1", "libstdc++6"])
  }

# npm runs the project's scripts. Those of projects that use Yarn or pnpm call these by name, also for their workspace.
npm-commands = """
  mkdir -p /build/npm-package /build/commands
  tar -xzf "$npm_archive" -C /build/npm-package --strip-components=1 --no-same-owner --warning=no-unknown-keyword
  printf '#!/bin/sh\\nexec node /build/npm-package/bin/npm-cli.js "$@"\\n' >/build/commands/npm
  printf '#!/bin/sh\\nexec node /build/npm-package/bin/npx-cli.js "$@"\\n' >/build/commands/npx
  for each in pnpm yarn; do
    printf '#!/bin/sh\\nexec node ${text("commands.js", read-text(./node-commands.js))} %s "$@"\\n' $each >/build/commands/$each
  done
  chmod +x /build/commands/*
  export PATH="$PWD/node_modules/.bin:/build/commands:$PATH"
"""

planner(request) =
  let plan = get(settings, "node-plan", null) in
  if plan == null then error("Only commands such as fpack build resolve the packages of a Node project", "project")
  else plan(request)

archive(p) = derivation {
  kind = "npm"
  name = store-name("${head(reverse(split(p.name, "/")))}-${p.version}.tgz")
  url = p.url
  path = p.path
  integrity = p.integrity
}

# Unpacks the archives of the plan, and makes links and commands.
lay-out(mode) = """
  node "$layout" archives |
    xargs -r -d '\\n' -n 2 -P "$CORES" sh -c 'mkdir -p "$0" && tar -xzf "$1" -C "$0" --strip-components=1 --no-same-owner --warning=no-unknown-keyword && chmod -R u+rwX,go+rX "$0"'
  node "$layout" links ${mode}
"""

layout-script = """
  // Lay out the packages of a plan: list their archives, make links and commands, remove what only the build needs.
  const fs = require("fs"), path = require("path")
  const plan = JSON.parse(fs.readFileSync(process.env.plan))
  const [step, mode] = process.argv.slice(2)

  function read(directory) {
    try {
      return JSON.parse(fs.readFileSync(path.join(directory, "package.json")))
    } catch {
      return {}
    }
  }

  // The commands of a package, as [name, file].
  function commands(directory, about) {
    if (about.bin) {
      const all = typeof about.bin === "string" ? { [String(about.name).split("/").pop()]: about.bin } : about.bin
      return Object.entries(all)
    }
    const folder = about.directories && about.directories.bin
    if (typeof folder !== "string" || !fs.existsSync(inside(directory, folder))) return []
    return fs.readdirSync(inside(directory, folder)).map(file => [file, path.join(folder, file)])
  }

  // A path in a package's directory, whatever it says.
  function inside(directory, file) {
    return path.join(directory, path.join("/", String(file)))
  }

  function link(target, file) {
    fs.mkdirSync(path.dirname(file), { recursive: true })
    if (fs.lstatSync(file, { throwIfNoEntry: false })) return
    fs.symlinkSync(target, file)
  }

  function linkCommands(directory, bin) {
    for (const [name, file] of commands(directory, read(directory))) {
      const full = inside(directory, file)
      if (/[/]/.test(name) || !fs.existsSync(full) || fs.statSync(full).isDirectory()) continue
      fs.chmodSync(full, 0o755)
      const first = fs.readFileSync(full).subarray(0, 200).toString("latin1").split("\\n")[0]
      if (first.startsWith("#!") && first.endsWith("\\r")) {
        fs.writeFileSync(full, fs.readFileSync(full, "latin1").replace("\\r\\n", "\\n"), "latin1")
      }
      link(path.relative(bin, full), path.join(bin, name))
    }
  }

  if (step === "archives") {
    for (const p of plan.packages) console.log(p.where + "\\n" + p.archive)
  } else if (step === "directories") {
    for (const directory of plan.directories) console.log(directory)
  } else if (step === "links") {
    // What was laid out before has a list of the packages with scripts.
    const before = process.env.node_packages
    const scripted = before ? JSON.parse(fs.readFileSync(path.join(before, "scripted.json"))) : []
    for (const [packages, links] of [[plan.packages, plan.links], [[], plan.members]]) {
      for (const l of links) link(path.relative(path.dirname(l.where), l.to) || ".", l.where)
      for (const { where } of [...packages, ...links]) {
        const modules = where.slice(0, where.lastIndexOf("node_modules") + "node_modules".length)
        linkCommands(where, path.join(modules, ".bin"))
        const about = read(where), scripts = about.scripts || {}
        if (scripts.preinstall || scripts.install || scripts.postinstall || fs.existsSync(path.join(where, "binding.gyp"))) {
          scripted.push(about.name)
        }
      }
    }
    const names = [...new Set(scripted)].sort()
    if (mode === "record") {
      fs.writeFileSync("../scripted.json", JSON.stringify(names))
    } else if (names.length && mode !== "quiet") {
      console.log("the scripts of " + names.join(", ") + " do not run: scripts = true runs them")
    }
  } else if (step === "prune") {
    for (const where of plan.removed) fs.rmSync(where, { recursive: true, force: true })
    const bins = plan.removed.map(w => w.slice(0, w.lastIndexOf("node_modules") + "node_modules".length) + "/.bin")
    for (const bin of new Set(bins)) {
      if (!fs.existsSync(bin)) continue
      for (const name of fs.readdirSync(bin)) {
        if (!fs.existsSync(path.join(bin, name))) fs.unlinkSync(path.join(bin, name))
      }
    }
  } else if (step === "commands") {
    const app = path.join(process.env.out, "app")
    for (const [, file] of plan.interpreter ? commands(app, read(app)) : []) {
      // The image has no other node, and its PATH need not have this one.
      const full = inside(app, file)
      const content = fs.readFileSync(full, "latin1")
      if (/^#!.*\\bnode\\b/.test(content)) {
        fs.writeFileSync(full, content.replace(/^#!.*/, "#!" + plan.interpreter), "latin1")
      }
    }
    if (plan.interpreter) link(plan.interpreter, path.join(process.env.out, "bin", "node"))
    if (fs.existsSync(path.join(app, "package.json"))) linkCommands(app, path.join(process.env.out, "bin"))
  }
"""
