# Python programs, with packages locked by a file of hashes.

# requirements: a requirements.txt. If its packages have one version and hashes each (pip-compile --generate-hashes), these
# are taken; else they are resolved once, and recorded in fpack.lock.
# lock: a pylock.toml (PEP 751), uv.lock, poetry.lock or pdm.lock, instead of `requirements`.
# project: the pyproject.toml, setup.cfg or setup.py of the source. What its build requires is resolved and recorded, and
# what it depends on, unless `lock` or `requirements` says that. needs: further requirements, such as "gunicorn>=22".
# extras, groups: the extras and dependency groups that are installed too.
# python: a minor version such as "3.11", instead of that of the release: a release that has it is used. Another release
# in `release` or of `tools`, `libs` and `runtime` is an error unless it has that version too.
# sources: some packages of `requirements` or `lock` are source distributions to build; with `project`, they just may be.
# apart: install the packages of the lock as a derivation of its own, which an edit does not install again.
# The result is a virtual environment: $out/bin has the commands. A project with a pyproject.toml or setup.py is
# installed in it; the files of any other are in $out/app. All else is as in `package`.
python({
  requirements: path | null = null,
  lock: path | null = null,
  project: path | null = null,
  needs: list = [],
  extras: list = [],
  groups: list = [],
  python: string | null = null,
  sources: bool = false,
  flags: list = [],
  apart: bool = true,
  ...rest
}) =
  let
    chosen = import("./python-planned.fp")
    given = if python == null then rest else chosen.with-version(python, rest)
    hashed = requirements == null || match(read-text(requirements), "(?s).*--hash[=\\s].*") != null
    simple = lock == null || match("${read-text(lock)}", "(?s).*\\block-version\\s*=.*") != null
  in
    if project == null && needs == [] && extras == [] && groups == [] && hashed && simple then
      with-hashes({ requirements, lock, sources, flags, apart, given })
    else chosen.planned({ requirements, lock, project, needs, extras, groups, flags, apart, given })

# The packages of a file of hashes, which pip chooses.
with-hashes({ requirements, lock, sources, flags, apart, given }) =
  let
    common = import("./common.fp")
    own = import("./apart-python.fp")
    needs = if requirements != null then from-requirements(read-text(requirements))
      else if lock != null then from-lock(read-toml(lock))
      else []
    system = common.debian-tools(given, ["python3", "libc6"])
    files = [file(system, sources, need) for need in needs]
    listing = text("requirements.txt", join([line(need) for need in needs], ""))
    tools = [
      "python3-pip",
      ...if sources then ["gcc", "libc6-dev", "python3-dev", "python3-setuptools", "python3-wheel"] else [],
    ]
    steady = script => if sources then own.counted(script) else script
    build = if needs == [] then null else steady("""
      if [ -z "\${python_environment:-}" ]; then
        folders=
        for each in $wheels; do folders="$folders --find-links $each"; done
        (cd / && ${pip(sources)} --require-hashes --no-deps $folders -r "$requirements")
      fi
    """)
    named = if sources then own.of-names else {}
    packages = if needs == [] then {} else { wheels = join(["${f}" for f in files], " "), requirements = "${listing}" }
    environment = if apart && needs != [] then
        own.environment(given, tools, head(system).version, build, { ...own.of-pip, ...named, ...packages })
      else null
  in common.with-defaults(given, ["python3", ...tools], {
    configure = own.configure
    build
    check = null
    install = steady("""
      if [ -n "\${source:-}" ]; then
        if [ -e pyproject.toml ] || [ -e setup.py ]; then
          ${pip(true)} --no-deps${common.words(flags)} .
        else
          cp -r . "$out/app"
        fi
      fi
    """)
    fixup = own.fixup
    env = { ...own.of-pip, ...named, ...if environment == null then packages else own.taken(environment) }
    runtime = common.debian-tools(given, ["python3"])
  })

# Install with pip into the virtual environment. Build tools for source distributions are those of the system.
pip(from-sources) =
  let
    command = "python3 -m pip --python \"$out/bin/python3\" install --no-index --no-compile --no-warn-script-location"
    system = "PYTHONPATH=/usr/lib/python3/dist-packages "
  in if from-sources then "${system}${command} --ignore-installed --no-build-isolation" else command

# The file of a package that matches the Python and the C library of the release.
file(system, sources, need) = derivation {
  kind = "pypi"
  name = store-name("${need.project}-${need.version}")
  project = need.project
  version = need.version
  hashes = need.hashes
  urls = need.urls
  optional = need.marker != ""
  sources
  python = minor(head(system).version)
  libc = minor(head(tail(system)).version)
  arch = head(system).platform.arch
}

minor(version) = join(match(version, "(?:\\d+:)?(\\d+)\\.(\\d+).*"), ".")

line(need) =
  let
    marker = if need.marker == "" then "" else " ; ${need.marker}"
    hashes = join([" --hash=sha256:${h}" for h in need.hashes], "")
  in "${need.project}==${need.version}${marker}${hashes}\n"

# ---- requirements.txt

from-requirements(content) =
  let
    lines = split(replace-all(replace-all(content, "\\r", ""), "\\\\\\n", " "), "\n")
    plain = [trim(replace-all(l, "(^|\\s)#.*", "")) for l in lines]
  in [requirement(l) for l in plain if l != "" && !starts-with(l, "-")]

requirement(text) =
  let found = match(
    text,
    "([A-Za-z0-9][A-Za-z0-9._-]*)\\s*(\\[[^\\]]*\\])?\\s*==\\s*([^\\s;]+)\\s*(;.*?)?((?:\\s*--hash[=\\s]\\s*sha256:[0-9a-f]{64})*)\\s*",
  ) in
  if found == null then
    error("This line of the requirements does not pin one version: ${text}; pip-compile pins versions", "requirements")
  else
    let
      hashes = [
        head(match(each, "sha256:([0-9a-f]{64})"))
        for each in split(replace-all(get(found, 4), "\\s*--hash[=\\s]\\s*", " "), " ")
        if each != ""
      ]
      mark = if get(found, 3) == null then "" else trim(substring(get(found, 3), 1, length(get(found, 3))))
    in
      if hashes == [] then
        error("${get(found, 0)} has no hashes; write the file with pip-compile --generate-hashes", "requirements")
      else { project = get(found, 0), version = get(found, 2), marker = mark, urls = [], hashes }

# ---- pylock.toml

# An entry with a directory is the project itself, which is installed from its source.
from-lock(data) =
  let groups = get(data, "default-groups", []) in
  [
    locked(p, chosen(get(p, "marker", ""), groups))
    for p in get(data, "packages", [])
    if !has(p, "directory") && chosen(get(p, "marker", ""), groups) != never
  ]

# A marker in pip's terms: no extras, and the groups that the lock selects.
chosen(marker, groups) =
  let
    outside(m, group) = replace-all(m, "['\"]${group}['\"]\\s+not\\s+in\\s+dependency_groups", never)
    inside(m, group) = replace-all(m, "['\"]${group}['\"]\\s+in\\s+dependency_groups", always)
    of-groups = fold(groups, marker, (m, group) => inside(outside(m, group), group))
    without = replace-all(of-groups, "['\"][^'\"]*['\"]\\s+not\\s+in\\s+(extras|dependency_groups)", always)
  in replace-all(without, "['\"][^'\"]*['\"]\\s+in\\s+(extras|dependency_groups)", never)

always = "python_version >= '3'"
never = "python_version < '3'"

locked(p, marker) =
  let
    own = [...get(p, "wheels", []), ...[get(p, kind) for kind in ["sdist", "archive"] if has(p, kind)]]
    known = [{ sha256 = f.hashes.sha256, url = get(f, "url", "") } for f in own if has(get(f, "hashes", {}), "sha256")]
  in
    if known == [] then error("${p.name} has no file with a sha256 in the lock", "lock")
    else {
      project = p.name
      version = get(p, "version", "")
      marker
      hashes = [f.sha256 for f in known]
      urls = ["${f.url}#sha256=${f.sha256}" for f in known if f.url != ""]
    }
