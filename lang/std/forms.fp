# The forms of fields. What no builder accepts is an error here, before anything is fetched or built.

# Each check returns null, or stops with an error that names the field. Most containers have few of the fields, so no check
# runs for a default.
of-container({
  name, tag, entrypoint, command, user, workdir, ports, volumes, labels, stop-signal, healthcheck, max-layers
  users, files, directories, links, rules, drop, setuid, wants, first-start, run-options, env, foreign, try
}) = [
  if name == null || match(name, "[a-z0-9]{1,255}") != null then null
  else check(image-name(name), "name", name,
    "text of lowercase letters and digits, separated by single . _ - and, between components, /"),
  if tag == null then null
  else check(match(tag, "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}") != null, "tag", tag,
    "text of at most 128 letters, digits, _ . and -, which begins with neither . nor -"),
  if entrypoint == null then null else program("entrypoint", entrypoint),
  if command == null || entrypoint != null then null else program("command", command),
  if user == null then null
  else check(is-user(user), "user", user, "a name, or numbers, as in app, app:staff, 1000 or 1000:1000"),
  if workdir == null || workdir == "" then null
  else check(in-store(workdir) || plain(workdir), "workdir", workdir, path-form),
  if ports == [] then null
  else each("ports", ports, is-port,
    "a list of ports: numbers from 1 to 65535, and text such as \"53/udp\" or \"8000-8010/tcp\""),
  if volumes == [] then null else each("volumes", volumes, plain, path-form),
  if labels == {} then null else each("labels", names(labels), label => label != "", "a name that is not empty"),
  if env == {} then null else each("env", values(env), no-nul, "text without a NUL character"),
  if stop-signal == null || stop-signal == "" then null
  else check(is-signal(stop-signal), "stop-signal", stop-signal, "a signal such as \"SIGTERM\", or its number"),
  if healthcheck == null then null else health(healthcheck),
  if max-layers >= 3 && max-layers <= 120 then null
  else refuse("max-layers", max-layers, "a number from 3 to 120: runtimes of containers support at most 127 layers"),
  if users == {} then null else accounts(users),
  if files == {} && directories == {} && links == {} then null
  else extra-paths([...names(files), ...names(directories), ...names(links)]),
  if rules == {} then null else [patterns(rule) for _, rule in rules],
  if drop == null then null else globs("drop", drop),
  if foreign == [] then null else globs("foreign", foreign),
  if setuid == [] then null else each("setuid", setuid, p => type(p) == "string", "a list of paths"),
  if wants == [] then null
  else each("wants", wants, want => type(want) == "string" && want != "", "the name of a library, or an absolute path"),
  if first-start == null then null else [check(plain(s.creates), "creates", s.creates, path-form) for s in first-start],
  if run-options == [] then null else each("run-options", run-options, option => type(option) == "string", "text"),
  if try == [] then null
  else each("try", try, is-words, "a command line, or a list of words, of command lines, or of lists of words"),
] |> finished

# unpacks, patched: the package has the usual phases, which read files.
of-package({ source, patches, outputs, limits, allowed, disallowed, unpacks, patched }) = [
  check(!unpacks || type(source) != "string" || in-store(source), "source", source,
    "a file or directory such as ./src, without quotes, a fetch, or text that names a store path"),
  each("patches", patches, p => !patched || type(p) != "string" || in-store(p),
    "a file such as ./fix.patch, without quotes, a fetch, or text that names a store path"),
  each("outputs", outputs, o => type(o) == "string" && match(o, "[A-Za-z0-9][A-Za-z0-9_.-]{0,31}") != null,
    "a list of names such as \"dev\""),
  check(contains(outputs, "out"), "outputs", outputs, "a list with \"out\""),
  if limits == null then null else limited(limits),
  each("allowed", if allowed == null then [] else allowed, mentions-path, store-form),
  each("disallowed", disallowed, mentions-path, store-form),
] |> finished

of-service({ start, stop, seconds, ports }) = [
  check(trim(start) != "", "start", start, "a script that runs the service in the foreground"),
  check(starts-with(stop, "SIG") && is-signal(stop), "stop", stop, "a signal such as \"SIGTERM\""),
  each("ports", ports, p => type(p) == "int" && p >= 1 && p <= 65535, "a list of numbers from 1 to 65535"),
  check(seconds > 0, "seconds", seconds, "a number above 0"),
] |> finished

# Evaluate all checks.
finished(checks) = all(checks, found => type(found) != "list" || finished(found))

check(holds, field, value, form) = if holds then null else refuse(field, value, form)

each(field, items, holds, form) =
  let wrong = [i for i in items if !holds(i)] in if wrong == [] then null else refuse(field, head(wrong), form)

refuse(field, value, form) = error("`${field}` is ${form}; this is ${shown(value)}", field)

shown(value) =
  let kind = type(value) in
  if contains(["string", "int", "float", "bool", "null"], kind) then to-json(value) else "a ${kind}"

# ---- names and paths

# As registries accept it: DOMAIN:PORT/COMPONENT/COMPONENT.
image-name(name) = length(name) <= 255 && match(name, "(${domain}/)?${component}(/${component})*") != null
component = "[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*"
domain = "[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)*(:[0-9]+)?"

path-form = "an absolute path without . or .. or empty parts, such as /var/lib/app"

plain(path) =
  type(path) == "string" && starts-with(path, "/") && no-nul(path)
  && (path == "/" || !any(tail(split(path, "/")), part => contains(["", ".", ".."], part)))

no-nul(text) = type(text) != "string" || match(text, "[^\\x00]*") != null

in-store(text) = starts-with(text, "/fpack/store/")
store-form = "a package, a source, or text that names a store path"
mentions-path(value) = type(value) != "string" || match(value, "(?s).*/fpack/store/.*") != null

# Extra paths of an image: each is given once.
extra-paths(paths) =
  let
    wrong = [p for p in paths if starts-with(p, "/") && (p == "/" || !plain(p))]
    twice = if length(unique(paths)) == length(paths) then []
      else [p for p in paths if length([q for q in paths if q == p]) > 1]
  in
    if wrong != [] then error("${head(wrong)} is not ${path-form}", head(wrong))
    else if twice != [] then
      error("${head(twice)} is given twice, among `files`, `directories` and `links`", head(twice))
    else null

# Globs of a rule, as `keep` and `drop` take them.
globs(field, given) = if given == null then null else each(field, given, is-glob,
  "a list of patterns of absolute paths, such as /usr/share/doc or /usr/lib/**/*.a")
is-glob(glob) =
  type(glob) == "string" && match(glob, "/+") == null && starts-with(glob, "/") && plain(
    "/${replace-all(glob, "^/+|/+$", "")}",
  )
patterns(rule) =
  if type(rule) != "record" then null
  else [
    globs("keep", rule.keep or null),
    globs("drop", rule.drop or null),
    each("setuid", rule.setuid or [], p => type(p) == "string", "a list of paths"),
  ]

# ---- programs

program(field, words) =
  if words == null || words == [] then null
  else [
    check(head(words) != "", field, "", "a list that begins with a program"),
    each(field, words, no-nul, "a list of words without a NUL character"),
  ]

is-words(item) =
  if type(item) == "list" then item != [] && all(item, word => type(word) == "string" && no-nul(word))
  else type(item) == "string" && item != "" && no-nul(item)

is-port(port) =
  if type(port) == "int" then port >= 1 && port <= 65535
  else if type(port) != "string" then false
  else
    let found = match(port, "([0-9]{1,5})(-([0-9]{1,5}))?(/(tcp|udp|sctp))?") in
    if found == null then false
    else
      let
        first = to-int(get(found, 0), 10)
        last = if get(found, 2) == null then first else to-int(get(found, 2), 10)
      in first >= 1 && first <= last && last <= 65535

is-user(user) =
  match(user, "[^\\s:/]+(:[^\\s:/]+)?") != null && all(split(user, ":"), part =>
    match(part, "[0-9]+") == null || length(part) <= 10 && to-int(part, 10) <= 4294967294)

is-signal(signal) =
  let text = upper("${signal}"), name = if starts-with(text, "SIG") then substring(text, 3, length(text)) else text in
  if match(text, "[0-9]{1,2}") != null then to-int(text, 10) >= 1 && to-int(text, 10) <= 64
  else contains(signals, name) || match(name, "RTM(IN\\+|AX-)([1-9]|[12][0-9]|30)") != null

signals = [
  "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
  "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
  "PWR", "SYS", "RTMIN", "RTMAX",
]

health({ command, interval = null, timeout = null, start-period = null, retries = null }) = [
  check(command != "" && command != [], "command", command, "a list of words, or text for the shell"),
  duration("interval", interval),
  duration("timeout", timeout),
  duration("start-period", start-period),
  check(retries == null || type(retries) != "int" || retries >= 1, "retries", retries, "a number from 1"),
]

duration(field, value) = check(
  value == null || (if type(value) == "int" then value > 0
    else type(value) != "string" || match(value, "([0-9]{1,9}h)?([0-9]{1,9}m)?([0-9]{1,9}s)?([0-9]{1,9}ms)?") != null
      && match(value, ".*[1-9].*") != null),
  field, value, "a number of seconds, or text such as \"1m30s\" or \"500ms\"",
)

# ---- numbers and users

limited(limits) =
  let
    known = ["seconds", "memory", "processes", "size", "log"]
    strange = [n for n in names(limits) if !contains(known, n)]
  in
    if strange != [] then error("`limits` has no field ${head(strange)}; it has ${join(known, ", ")}", head(strange))
    else [
      check(value == null || type(value) == "int" && value > 0, n, value, "a number above 0")
      for n, value in limits
    ]

accounts(users) =
  let
    name-form = "text of at most 32 letters, digits, _ . and -, which begins with a letter or _"
    strange = [n for n in names(users) if !is-name(n)]
    is-name(n) = match(n, "[A-Za-z_][A-Za-z0-9_.-]{0,31}") != null
    is-number(n) = type(n) != "int" || n >= 0 && n < 4294967295
    clean(text) = type(text) != "string" || match(text, "[^:\\x00-\\x1f\\x7f]*") != null
    numbers = [u.uid for _, u in users if type(u) == "record" && has(u, "uid")]
    twice = [n for n in unique(numbers) if length([m for m in numbers if m == n]) > 1]
  in [
    if strange == [] then null
    else error("The name of a user is ${name-form}; this is ${shown(head(strange))}", head(strange)),
    [
      [
        check(is-number(get(u, "uid", null)), "uid", get(u, "uid", null), "a number from 0 to 4294967294"),
        check(is-number(get(u, "gid", null)), "gid", get(u, "gid", null), "a number from 0 to 4294967294"),
        check(type(get(u, "group", null)) != "string" || is-name(u.group), "group", get(u, "group", null), name-form),
        [
          check(clean(get(u, f, "")), f, get(u, f, ""), "text without a colon or control character")
          for f in ["home", "shell", "comment"]
        ],
      ]
      for _, u in users if type(u) == "record"
    ],
    if length(unique(numbers)) == length(numbers) then null
    else error("Two of the `users` have the number ${shown(head(twice))}", "users"),
  ]
