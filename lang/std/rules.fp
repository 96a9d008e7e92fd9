# Which files of each package go into a root.

# What packages leave behind. A package's copyright file always stays.
documentation = [
  "/usr/share/man",
  "/usr/share/doc",
  "/usr/share/info",
  "/usr/share/lintian",
  "/usr/share/bug",
  "/usr/share/bash-completion",
  "/usr/share/zsh",
  "/usr/share/fish",
  "/usr/share/doc-base",
  "/usr/share/locale",
  "/var/cache/**",
  "/etc/cron*",
  "/etc/init.d",
  "/usr/lib/systemd",
  "/usr/lib/tmpfiles.d",
  "/usr/lib/sysusers.d",
]

# Files for desktops: who takes a package with all that it declares may want them, who takes a program does not.
desktop = ["/usr/share/menu", "/usr/share/applications", "/usr/share/pixmaps", "/usr/share/icons"]

# What libraries that come into a linked image by themselves leave behind too: what no program loads, or hardly any does
# and only by name. Who needs it lists the package, or gives it a rule with a `keep`.
lean = {
  # The modules of iconv, which knows UTF-8, UCS-2, UCS-4 and ASCII without; libraries to preload for tracing.
  libc6 = [
    "/usr/lib/*/gconv", "/usr/lib/*/audit", "/usr/lib/*/libc_malloc_debug.so.0", "/usr/lib/*/libmemusage.so",
    "/usr/lib/*/libpcprofile.so",
  ]
  # Engines were replaced by providers in OpenSSL 3.
  libssl3t64 = ["/usr/lib/*/engines-3"]
  # How a debugger prints C++ values.
  "libstdc++6" = ["/usr/share/gcc", "/usr/share/gdb"]
}

# What of base-files tells which release an image is made of.
release-files = ["/etc/debian_version", "/etc/os-release", "/usr/lib/os-release"]

none = { keep = null, drop = [], setuid = [] }

rule({ keep: list | null = null, drop: list = [], setuid: list = [] }) = { keep, drop, setuid }

# Several rules as one: the last `keep` counts, the others add up.
joined(rules) =
  let keeps = [r.keep for r in rules if r.keep != null] in {
    keep = if keeps == [] then null else head(reverse(keeps))
    drop = unique(flatten([r.drop for r in rules]))
    setuid = unique(flatten([r.setuid for r in rules]))
  }

# The rule of every package that `found` names. listed: the packages that the user named. special: the rules that the
# user gave by package. drop, setuid: for all packages, and for the only one that is listed.
table(found, listed, special, linked, drop, setuid) =
  let
    names = [p.name for p in listed]
    known = { ${p.name} = true for p in found }
    given = map-record(special, (name, r) => rule(r))
    strays = [name for name, _ in special if !has(known, name)]
    shared = if drop != null then drop else if linked then [...documentation, ...desktop] else documentation
    own(name) =
      if contains(names, name) then joined([p.rule for p in listed if p.name == name])
      else if !linked || get(given, name, none).keep != null then none
      else if name == "base-files" && !has(given, name) then { ...none, keep = release-files }
      else { ...none, drop = get(lean, name, []) }
    bits(name) =
      if setuid == [] || !contains(names, name) then []
      else if length(unique(names)) == 1 then setuid
      else error("`setuid` needs one package; write rules = { PACKAGE = { setuid = [...] } }", "setuid")
    whole(name) =
      joined([{ ...none, drop = shared }, own(name), get(given, name, none), { ...none, setuid = bits(name) }])
  in
    if strays != [] then error("`rules` names ${head(strays)}, which is not among the packages", head(strays))
    else { ${p.name} = whole(p.name) for p in found }
