// Run the scripts of a project's packages as the commands pnpm and yarn do. The packages are laid out already, so that
// installing is nothing to do; what is not understood is an error, since a script that did not run looks like one that did.
const { spawnSync } = require("child_process")
const fs = require("fs")
const path = require("path")

const [tool, ...words] = process.argv.slice(2)
const INSTALLS = new Set(["install", "i", "ci", "fetch", "rebuild", "dedupe"])
const PARTS = ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"]
// Options that take a value in the next word.
const PNPM_VALUES = new Set(["--filter", "-F", "--filter-prod", "--dir", "-C", "--workspace-concurrency", "--reporter",
  "--loglevel", "--resume-from", "--changed-files-ignore-pattern", "--test-pattern"])
const YARN_VALUES = new Set(["--cwd", "--include", "--exclude", "--from", "-j", "--jobs"])

function fail(text) {
  console.error(`${tool}: ${text}`)
  process.exit(1)
}

function manifest(directory) {
  try {
    return JSON.parse(fs.readFileSync(path.join(directory, "package.json")))
  } catch {
    return null
  }
}

// The patterns of a workspace's members, or null if the directory is the top of none.
function patterns(directory) {
  const file = path.join(directory, "pnpm-workspace.yaml")
  if (fs.existsSync(file)) {
    const found = []
    let inside = false
    for (const line of fs.readFileSync(file, "utf8").split("\n")) {
      const start = /^packages\s*:\s*(.*)$/.exec(line)
      const item = /^\s*-\s*["']?([^"'#]+?)["']?\s*(#.*)?$/.exec(line)
      if (start) {
        inside = true
        for (const each of start[1].matchAll(/[\w!@*.{},/-]*[\w*][\w!@*./-]*/g)) found.push(each[0].replace(/,$/, ""))
      } else if (inside && item) found.push(item[1])
      else if (/^\S/.test(line) && !line.startsWith("#")) inside = false
    }
    return found
  }
  const listed = manifest(directory)?.workspaces
  return Array.isArray(listed) ? listed : Array.isArray(listed?.packages) ? listed.packages : null
}

function upwards(directory, test) {
  for (let at = directory; ; at = path.dirname(at)) {
    if (test(at)) return at
    if (path.dirname(at) === at) return null
  }
}

function matcher(pattern) {
  const plain = pattern.replace(/^\.\//, "").replace(/\/+$/, "")
  const parts = plain.split(/(\*\*\/?|\*)/).map((part) =>
    part === "**/" ? "(?:.*/)?" : part === "**" ? ".*" : part === "*" ? "[^/]*" : part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"))
  return new RegExp(`^${parts.join("")}$`)
}

// The packages of the workspace below `top`, each after those that it uses. The first is that of `top` itself.
function packages(top) {
  const given = patterns(top) || []
  const wanted = given.filter((each) => !each.startsWith("!")).map(matcher)
  const excluded = given.filter((each) => each.startsWith("!")).map((each) => matcher(each.slice(1)))
  const found = []
  const walk = (below) => {
    for (const entry of fs.readdirSync(path.join(top, below), { withFileTypes: true })) {
      if (!entry.isDirectory() || entry.name === "node_modules" || entry.name.startsWith(".")) continue
      const where = below ? `${below}/${entry.name}` : entry.name
      const data = manifest(path.join(top, where))
      if (data && wanted.some((each) => each.test(where)) && !excluded.some((each) => each.test(where))) {
        found.push({ where, directory: path.join(top, where), data, name: data.name || where })
      }
      walk(where)
    }
  }
  if (given.length) walk("")
  found.sort((a, b) => (a.where < b.where ? -1 : 1))
  const named = new Map(found.map((each) => [each.name, each]))
  for (const each of found) {
    const names = PARTS.flatMap((part) => Object.keys(each.data[part] || {}))
    each.uses = names.map((name) => named.get(name)).filter((other) => other && other !== each)
  }
  const order = new Set()
  const open = new Set()
  const visit = (each) => {
    if (order.has(each) || open.has(each)) return
    open.add(each)
    each.uses.forEach(visit)
    order.add(each)
  }
  found.forEach(visit)
  const data = manifest(top) || {}
  return [{ where: ".", directory: top, data, name: data.name || ".", uses: [] }, ...order]
}

function close(start, next) {
  const found = new Set()
  const visit = (each) => next(each).forEach((other) => found.has(other) || (found.add(other), visit(other)))
  start.forEach(visit)
  return found
}

// The packages that a filter of pnpm selects.
function selected(filter, all) {
  if (filter.includes("[")) fail(`the filter ${filter} needs git, which a build does not have`)
  const dependents = filter.startsWith("...")
  let rest = dependents ? filter.slice(3) : filter
  const uses = rest.endsWith("...")
  rest = uses ? rest.slice(0, -3) : rest
  const only = rest.startsWith("^") || rest.endsWith("^")
  rest = rest.replace(/^\^|\^$/g, "").replace(/^\{(.*)\}$/, "./$1")
  const test = matcher(rest)
  const start = all.filter((each) => (/^\.\.?(\/|$)/.test(rest) ? test.test(each.where) : test.test(each.name)))
  const found = new Set(only ? [] : start)
  if (uses) for (const each of close(start, (one) => one.uses)) found.add(each)
  if (dependents) for (const each of close(start, (one) => all.filter((other) => other.uses.includes(one)))) found.add(each)
  return found
}

function call(command, args, directory) {
  const bins = [directory, top].map((each) => path.join(each, "node_modules/.bin"))
  const env = { ...process.env, PATH: [...bins, process.env.PATH].join(":") }
  const done = spawnSync(command, args, { cwd: directory, env, stdio: "inherit" })
  if (done.error) fail(`${command} cannot be run: ${done.error.code || done.error.message}`)
  if (done.status !== 0) process.exit(done.status ?? 1)
}

const script = (each, name) => (each.data.scripts || {})[name]
const runScript = (each, name, args) => call("npm", ["run", name, ...(args.length ? ["--", ...args] : [])], each.directory)

// Run a script of each package that has it. The script that calls this one is left out, which would never end.
function runEach(chosen, name, args, optional) {
  const own = process.env.npm_lifecycle_event === name ? process.env.npm_package_json : null
  const able = chosen.filter((each) => script(each, name) && path.join(each.directory, "package.json") !== own)
  if (!able.length && !optional) fail(`none of the packages has the script ${name}`)
  able.forEach((each) => runScript(each, name, args))
}

// A script of one package, or a program.
function runOne(each, name, args) {
  if (script(each, name)) runScript(each, name, args)
  else call(name, args, each.directory)
}

let here = process.cwd()
let top = here

function locate(directory) {
  here = upwards(directory, (at) => manifest(at) !== null) || directory
  top = upwards(here, (at) => patterns(at) !== null) || here
}

function pnpm(words) {
  const filters = []
  const flags = new Set()
  let directory = process.cwd()
  let verb = null
  let at = 0
  for (; at < words.length; at++) {
    const [name, ...value] = words[at].split("=")
    if (words[at].startsWith("-") && words[at] !== "--") {
      const text = value.length ? value.join("=") : PNPM_VALUES.has(name) ? words[++at] : null
      if (["--filter", "-F", "--filter-prod"].includes(name)) filters.push(text)
      else if (["--dir", "-C"].includes(name)) directory = path.resolve(text)
      else flags.add(name)
    } else if (["recursive", "multi", "m"].includes(words[at]) && verb === null) flags.add("-r")
    else if (["run", "run-script", "exec"].includes(words[at]) && verb === null) verb = words[at]
    else break
  }
  const [name, ...args] = words[at] === "--" ? words.slice(at + 1) : words.slice(at)
  if (verb === null && (name === undefined || INSTALLS.has(name))) return
  if (name === undefined) fail(`the name of a script is missing: ${words.join(" ")}`)
  locate(directory)
  const all = packages(top)
  if (flags.has("-w") || flags.has("--workspace-root")) return runOne(all[0], name, args)
  if (!filters.length && !flags.has("-r") && !flags.has("--recursive")) {
    const own = all.find((each) => each.directory === here) || { directory: here, data: manifest(here) || {} }
    return verb === "exec" ? call(name, args, here) : runOne(own, name, args)
  }
  const wanted = filters.filter((each) => !each.startsWith("!"))
  const found = new Set(wanted.length ? wanted.flatMap((each) => [...selected(each, all)]) : all.slice(1))
  for (const each of filters.filter((each) => each.startsWith("!"))) {
    for (const other of selected(each.slice(1), all)) found.delete(other)
  }
  const chosen = all.filter((each) => found.has(each))
  if (!chosen.length) fail(`no package of the workspace is selected: ${words.join(" ")}`)
  if (verb === "exec") chosen.forEach((each) => call(name, args, each.directory))
  else runEach(chosen, name, args, flags.has("--if-present"))
}

function yarn(words, directory) {
  let at = 0
  for (; at < words.length && words[at].startsWith("-"); at++) {
    const [name, ...value] = words[at].split("=")
    const text = value.length ? value.join("=") : YARN_VALUES.has(name) ? words[++at] : null
    if (name === "--cwd") directory = path.resolve(text)
  }
  const [verb, ...rest] = words.slice(at)
  if (verb === undefined || INSTALLS.has(verb)) return
  locate(directory)
  const all = packages(top)
  const own = all.find((each) => each.directory === here) || { directory: here, data: manifest(here) || {} }
  if (verb === "workspace") {
    const [name, ...command] = rest
    const member = all.find((each) => each.name === name)
    if (!member) fail(`the workspace has no package ${name}: it has ${all.map((each) => each.name).join(", ")}`)
    return yarn(command, member.directory)
  }
  if (verb === "workspaces") return foreach(rest, all)
  if (verb === "run" || verb === "run-script" || verb === "exec") {
    const [name, ...args] = rest[0]?.startsWith("-") ? rest.slice(1) : rest
    if (name === undefined) fail(`the name of a script is missing: ${words.join(" ")}`)
    return verb === "exec" ? call(name, args, here) : runOne(own, name, args)
  }
  runOne(own, verb, rest)
}

// `yarn workspaces run NAME` of Yarn 1, and `yarn workspaces foreach [OPTIONS] run NAME` of newer ones.
function foreach(words, all) {
  let chosen = words[0] === "run" ? all.slice(1) : all
  let rest = words
  if (words[0] === "foreach") {
    const given = { "--include": [], "--exclude": [], "--from": [] }
    rest = words.slice(1)
    while (rest[0]?.startsWith("-")) {
      const [name, ...value] = rest.shift().split("=")
      const text = value.length ? value.join("=") : YARN_VALUES.has(name) ? rest.shift() : null
      if (name === "--since") fail("--since needs git, which a build does not have")
      if (name in given) given[name].push(matcher(text))
    }
    const named = (tests) => (each) => tests.some((test) => test.test(each.name))
    if (given["--from"].length) {
      const start = chosen.filter(named(given["--from"]))
      const found = new Set([...start, ...close(start, (each) => each.uses)])
      chosen = chosen.filter((each) => found.has(each))
    }
    if (given["--include"].length) chosen = chosen.filter(named(given["--include"]))
    chosen = chosen.filter((each) => !named(given["--exclude"])(each))
  }
  const [verb, ...command] = rest
  if (verb === "exec") return chosen.forEach((each) => call(command[0], command.slice(1), each.directory))
  const [name, ...args] = verb === "run" ? command : rest
  if (name === undefined) fail(`the name of a script is missing: workspaces ${words.join(" ")}`)
  runEach(chosen, name, args, false)
}

if (tool === "pnpm") pnpm(words)
else yarn(words, process.cwd())
