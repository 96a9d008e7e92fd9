# Python programs whose packages are planned by fpack: read from the lock of another tool, or resolved into fpack.lock.

import-common = import("./common.fp")

# The fields are those of `python`.
planned({ requirements, lock, project, needs, extras, groups, flags, apart, given }) =
  let
    common = import-common
    own = import("./apart-python.fp")
    system = common.debian-tools(given, ["python3", "libc6"])
    plan = planner({
      python = full-version(head(system).version)
      libc = minor(head(tail(system)).version)
      arch = common.arch-of(given)
      requirements, lock, project, needs, extras, groups
    })
    files = [{ role = f.role, path = "${file(system, f)}" } for f in plan.files]
    listing = text("packages", join(["${f.role} ${f.path}\n" for f in files], ""))
    local = join([" ./${quoted(l)}" for l in plan.local], "")
    version = given.version or "0"
    tools = ["python3-pip", ...plan.tools]
    # Only what is compiled can contain a path of its build.
    sdists = get(plan, "sdists", false)
    compiles = get(plan, "compiles", false)
    steady = (wanted, script) => if wanted then own.counted(script) else script
    named = wanted => if wanted then own.of-names else {}
    # pip builds what is no wheel with the files of the lock alone, each build in an environment of its own.
    build = if files == [] then null else steady(sdists, """
      install=
      while read -r role each; do
        links="\${links:-} --find-links $each"
        if [ "$role" = run ]; then install="$install $each/*"; fi
      done <"\${packages:-/dev/null}"
      if [ -n "$install" ] && [ -z "\${python_environment:-}" ]; then (cd / && ${pip} --no-deps $links $install); fi
    """)
    packages = if files == [] then {} else { packages = "${listing}" }
    environment = if apart && any(files, f => f.role == "run") then
        own.environment(given, tools, head(system).version, build, { ...own.of-pip, ...named(sdists), ...packages })
      else null
  in common.with-defaults(given, ["python3", ...tools], {
    configure = own.configure
    build
    check = null
    install = steady(compiles, """
      ${if local == "" then ":" else "${pip} --no-deps \${links:-}${local}"}
      if [ -n "\${source:-}" ]; then
        ${if plan.copies then "cp -r . \"$out/app\"" else ":"}
        ${if plan.installs then "${if get(plan, "scm", false) then data-of-repository else ""}${version-of(version)}${pip} --no-deps${common.words(flags)} \${links:-} ." else ":"}
      fi
    """)
    fixup = own.fixup
    env = {
      ...own.of-pip
      ...named(compiles)
      # What the build of the project requires is among the files.
      ...if environment == null || plan.installs || local != "" then packages else {}
      ...own.taken(environment)
    }
    runtime = common.debian-tools(given, ["python3"])
  })

pip = "python3 -m pip --python \"$out/bin/python3\" install --no-index --no-compile --no-warn-script-location"

# Data files of packages that setuptools-scm would take from the repository, which is no part of a source.
data-of-repository = """
  if [ ! -e PKG-INFO ]; then
    { echo "global-include *"; [ ! -e MANIFEST.in ] || cat MANIFEST.in; } >MANIFEST.in.new
    mv MANIFEST.in.new MANIFEST.in
  fi

"""

# A version that a tool would take from the repository, which is no part of a source.
version-of(version) =
  if version == "0" then ""
  else """
    if [ ! -e PKG-INFO ]; then
      export SETUPTOOLS_SCM_PRETEND_VERSION="${version}" PBR_VERSION="${version}" PDM_BUILD_SCM_VERSION="${version}"
      export POETRY_DYNAMIC_VERSIONING_BYPASS="${version}" HATCH_VCS_PRETEND_VERSION="${version}"
    fi

  """

planner(request) =
  let plan = get(settings, "python-plan", null) in
  if plan == null then error("Only commands such as fpack build resolve the packages of a Python project", "project")
  else plan(request)

full-version(version) = head(match(version, "(?:\\d+:)?(\\d+\\.\\d+(?:\\.\\d+)?).*"))

quoted(path) = import("fpack/strings").shell-command([path])

file(system, f) = derivation {
  kind = "pypi"
  name = store-name("${f.project}-${f.version}")
  project = f.project
  version = f.version
  hashes = f.hashes
  urls = f.urls
  optional = false
  sources = true
  python = minor(head(system).version)
  libc = minor(head(tail(system)).version)
  arch = head(system).platform.arch
}

# The fields of a build with a minor version of Python, in the release that they name or that has it.
with-version(version, given) =
  let
    wanted = release-of(version)
    listed = [...given.tools or [], ...given.libs or [], ...given.runtime or []]
    own = [p.release for p in listed if !has(p, "out")]
    named = given.release or null
    release = if named != null then named else if own != [] then head(own) else wanted
    with-release = { ...given, release }
    found = minor(head(import-common.debian-tools(with-release, ["python3"])).version)
  in
    if found == version then with-release
    else error(
      "The release of the build, ${release}, has Python ${found}, not ${version}: take `tools`, `libs` and `runtime` from ${wanted}, which has ${version}, and leave out `release`",
      "python",
    )

minor(version) = join(match(version, "(?:\\d+:)?(\\d+)\\.(\\d+).*"), ".")

# The release whose python3 has a minor version. Those of Debian are in every mirror of it.
releases = {
  "3.9" = "bullseye"
  "3.10" = "jammy"
  "3.11" = "bookworm"
  "3.12" = "noble"
  "3.13" = "trixie"
  "3.14" = "forky"
}
release-of(version) =
  let shown = at => ["${v} (${r})" for v, r in releases if length(v) == at] in
  if has(releases, version) then get(releases, version)
  else error(
    "No release of Debian or Ubuntu has Python ${version}: there are ${join([...shown(3), ...shown(4)], ", ")}",
    "python",
  )
