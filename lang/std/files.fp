# Extra files, directories and symlinks, with modes and owners.

with-article = import("fpack/strings").with-article

# The user and group ids that Debian assigns permanently, for owners given by name.
standard-users = {
  root = 0, daemon = 1, bin = 2, sys = 3, games = 5, man = 6, lp = 7, mail = 8, news = 9, uucp = 10, proxy = 13
  www-data = 33, backup = 34, list = 38, irc = 39, nobody = 65534
}
standard-groups = {
  root = 0, daemon = 1, bin = 2, sys = 3, adm = 4, tty = 5, disk = 6, lp = 7, mail = 8, news = 9, uucp = 10, man = 12
  proxy = 13, www-data = 33, backup = 34, list = 38, irc = 39, shadow = 42, utmp = 43, video = 44, staff = 50
  games = 60, users = 100, nogroup = 65534
}

# files { files = { "/etc/motd" = "Hello" }, directories = { "/srv" = null }, links = { "/a" = "b" } }
# users: { NAME = { uid, gid, ... } }, for owners given by name.
files({
  files: record = {},
  directories: record = {},
  links: record = {},
  users: record = {},
  name: string = "files",
}) =
  let
    entries = sort([
      ...[file-entry(users, absolute(path), given) for path, given in files],
      ...[directory-entry(users, absolute(path), given) for path, given in directories],
      ...[link-entry(absolute(path), target) for path, target in links],
    ], entry => entry.path)
  in derivation { kind = "files", name, entries }

absolute(path) = if starts-with(path, "/") then path else error("${path} is not an absolute path: write /${path}", path)

# A file is a string, a path, a derivation, or a record with more attributes.
file-entry(users, path, given) =
  let
    kind = type(given)
    is-source = kind == "path" || kind == "record" && (given.type or "") == "derivation"
  in
    if is-source then file(users, path, { source = given })
    else if kind == "string" then file(users, path, { text = as-text(path, given) })
    else if kind == "record" then file(users, path, given)
    else error(
      "The file ${path} is a string, a path, a derivation or a record, and this is ${with-article(kind)}",
      path,
    )

# A text that is only the name of a file is likely to stand for that file. `{ text = "app.py" }` is a text without doubt.
as-text(path, given) =
  if match(given, file-name) == null then given
  else let right = if starts-with(given, ".") then given else "./${given}" in
    warn(
      "the file ${path} has the text \"${given}\", and not the content of that file; for this, write ${right}",
      given,
    )

file-name = "[.][.]?/[A-Za-z0-9_./-]+|[A-Za-z0-9_-]([A-Za-z0-9_./-]*[A-Za-z0-9_-])?[.](${join(endings, "|")})"
endings = [
  "[cm]?js", "ts", "py", "rb", "pl", "php", "lua", "sh", "jar", "json", "ya?ml", "toml", "ini", "cfg", "conf", "xml",
  "html?", "css", "txt", "md", "sql", "crt", "pem", "service",
]

file(users, path, {
  text: string | null = null,
  source: path | string | record | null = null,
  mode: string | int | null = null,
  user: string | null = null,
  group: string | null = null,
  uid: int | null = null,
  gid: int | null = null,
}) =
  assert (text == null) != (source == null), "The file ${path} needs either a `text` or a `source`" in
  let runs = source != null && is-executable(source) in
  {
    kind = "file"
    mode = mode-of(path, mode, if runs then "0755" else "0644")
    path
    ...owner(users, path, user, group, uid, gid)
    ...if source == null then { text } else source-field("${source}")
  }

source-field(place) = { source = place }

directory-entry(users, path, given) =
  if given == null then directory(users, path, {})
  else if type(given) == "record" then directory(users, path, given)
  else error(
    "The directory ${path} is null, or a record of its mode and owner, and this is ${with-article(type(given))}",
    path,
  )

directory(users, path, {
  mode: string | int | null = null,
  user: string | null = null,
  group: string | null = null,
  uid: int | null = null,
  gid: int | null = null,
}) =
  { kind = "directory", mode = mode-of(path, mode, "0755"), path, ...owner(users, path, user, group, uid, gid) }

link-entry(path, target) =
  if type(target) == "string" then { kind = "symlink", mode = 511, uid = 0, gid = 0, path, target }
  else error("The target of the link ${path} is a string, and this is ${with-article(type(target))}", path)

# A mode is a string of octal digits. A number would be decimal: 0755 is seven hundred and fifty-five.
mode-of(path, mode, default) =
  if mode == null then to-int(default, 8)
  else if type(mode) == "int" then error("The mode of ${path} is text: write \"0755\", in quotes", path)
  else if match(mode, "[0-7]{3,5}") == null then error("The mode of ${path} is octal, as in \"0755\"", path)
  else to-int(mode, 8)

owner(users, path, user, group, uid, gid) =
  let
    name = if group == null then user else group
    u = if uid != null then uid else if user == null then 0 else user-number(users, path, user)
    g = if gid != null then gid else if name == null then 0 else group-number(users, path, name)
  in { uid = u, gid = g }

user-number(users, path, name) =
  if has(users, name) then get(users, name).uid
  else get(standard-users, name, unknown("user", path, name))

group-number(users, path, name) =
  if has(users, name) then get(users, name).gid
  else get(standard-groups, name, unknown("group", path, name))

unknown(what, path, name) =
  error("The number of the ${what} ${name} is not known; name it in `users`, or give ${path} a uid and a gid", path)
