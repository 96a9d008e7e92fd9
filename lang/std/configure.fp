# Run Debian's maintainer scripts over whole packages, to include what they make in a container.

# The tools of scripts, besides the dependencies of their packages: the packages that every Debian system has, and those
# that dpkg needs to configure packages. libfaketime lets the second of two runs see another date.
tools = [
  "adduser", "base-files", "base-passwd", "bash", "bsdutils", "coreutils", "dash", "debconf", "debianutils",
  "diffutils", "dpkg", "findutils", "grep", "gzip", "hostname", "init-system-helpers", "libc-bin", "libfaketime",
  "login", "mawk", "ncurses-base", "ncurses-bin", "passwd", "perl-base", "sed", "sensible-utils", "sysvinit-utils",
  "tar", "ucf", "util-linux",
]

# names: the packages to configure, with all that they depend on. listed: packages that may differ from those of the
# release. skip: the packages whose scripts do not run. users: the fixed users of the container.
configured({ name: string, release: string, arch: string, names: list, listed: list, skip: list, users: list }) =
  let
    found = debian-closure(release, unique([...names, ...tools]), arch)
    whole = { ${p.name} = import("fpack/rules").none for p in found }
    root = derivation {
      kind = "root"
      name = "configure-root"
      mode = "depends"
      slices = import("fpack/container").members(release, found, names, whole, listed)
      release, arch, users
      before_scripts = true
    }
    by-name = list-groups(listed, p => p.name)
    strangers = [n for n in skip if !any(found, p => p.name == n)]
  in
    if strangers != [] then
      error("`configure` skips ${head(strangers)}, which is not among the packages", head(strangers))
    else derivation {
      kind = "configure"
      name
      root
      packages = [
        { package = p.name, payload = import("fpack/container").payload-of(release, p, by-name), depends = p.depends }
        for p in found
      ]
      skip
    }
