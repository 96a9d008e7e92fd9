# Rules that select the files of each package that go into a root.

# The files that are removed from all packages: manuals, completions, translations, and what only the system's own
# services read. The copyright file of a package is always kept.
documentation = [
  "/usr/share/man",
  "/usr/share/doc",
  "/usr/share/info",
  "/usr/share/lintian",
  "/usr/share/bug",
  "/usr/share/bash-completion/completions",
  "/usr/share/zsh/vendor-completions",
  "/usr/share/zsh/site-functions",
  "/usr/share/fish/completions",
  "/usr/share/fish/vendor_*",
  "/usr/share/doc-base",
  "/usr/share/locale/*/LC_*",
  "/etc/cron.*",
  "/etc/init.d",
  "/usr/lib/systemd",
  "/usr/lib/tmpfiles.d",
  "/usr/lib/sysusers.d",
]

# Entries of `documentation` and `unlinked` that are the function of some packages, not their documentation.
functions = {
  anacron = ["/etc/cron.*"]
  bash-completion = ["/usr/share/bash-completion/completions"]
  cron = ["/etc/cron.*"]
  cronie = ["/etc/cron.*"]
  doc-base = ["/usr/share/doc-base"]
  fish = ["/usr/share/fish/completions", "/usr/share/fish/vendor_*"]
  fish-common = ["/usr/share/fish/completions", "/usr/share/fish/vendor_*"]
  initscripts = ["/etc/init.d"]
  lintian = ["/usr/share/lintian"]
  menu = ["/usr/share/menu"]
  reportbug = ["/usr/share/bug"]
  systemd = units
  sysv-rc = ["/etc/init.d"]
  udev = units
  zsh = ["/usr/share/zsh/vendor-completions", "/usr/share/zsh/site-functions"]
  zsh-common = ["/usr/share/zsh/vendor-completions", "/usr/share/zsh/site-functions"]
}
manuals = ["/usr/share/man", "/usr/share/doc", "/usr/share/info"]
translations = ["/usr/share/locale/*/LC_*"]
units = ["/usr/lib/systemd", "/usr/lib/tmpfiles.d", "/usr/lib/sysusers.d"]

# The entries of `documentation` and `unlinked` that a package keeps. is-listed: the user listed it. A dependency such as
# git-man or libc-l10n is documentation of another package.
function-of(name, is-listed) = get(functions, name,
  if match(name, ".*-docs?|manpages(-.*)?") != null then manuals
  else if match(name, "systemd-.*") != null then units
  else if match(name, "cron-.*") != null then ["/etc/cron.*"]
  else if !is-listed then []
  else if match(name, ".*-man|.*-docs?-.*|doc-.*|debian-faq|multiboot") != null then manuals
  else if match(name, ".*-(reference|guide|defguide|handbook|help|manual|policy|standards)(-.*)?") != null then manuals
  else if match(name, ".*-(l10n|i18n|locales)(-.*)?") != null then translations
  else [])

# Files that a closure of declared dependencies may need, and a closure of linked files does not: entries of the menus of
# desktops, and directories for caches, which servers need with the right owner. Icons of themes and of programs stay.
unlinked = [
  "/var/cache/**",
  "/usr/share/menu",
  "/usr/share/applications/**/*.desktop",
  "/usr/share/pixmaps/*.png",
  "/usr/share/pixmaps/*.svg",
  "/usr/share/pixmaps/*.xpm",
  "/usr/share/icons/*.png",
  "/usr/share/icons/*.svg",
  "/usr/share/icons/*color/*/apps",
  "/usr/share/icons/*color/*/mimetypes",
]

# Files that are also removed from libraries that a linked image includes as dependencies: files that no program loads,
# or that few programs load, by name. To keep them, list the package or give it a rule with `keep`.
lean = {
  # The modules of iconv, which supports UTF-8, UCS-2, UCS-4 and ASCII without modules; preload libraries for tracing.
  libc6 = [
    "/usr/lib/*/gconv", "/usr/lib/*/audit", "/usr/lib/*/libc_malloc_debug.so.0", "/usr/lib/*/libmemusage.so",
    "/usr/lib/*/libpcprofile.so",
  ]
  # OpenSSL 3 has replaced engines by providers.
  libssl3t64 = ["/usr/lib/*/engines-3"]
  # The pretty-printers of debuggers for C++ values.
  "libstdc++6" = ["/usr/share/gcc", "/usr/share/gdb"]
}

# The files of base-files that identify the release of an image.
release-files = ["/etc/debian_version", "/etc/os-release", "/usr/lib/os-release"]

none = { keep = null, drop = [], setuid = [] }

rule({ keep: list | null = null, drop: list = [], setuid: list = [] }) = { keep, drop, setuid }

# Join rules: the last `keep` is used; `drop` and `setuid` are combined.
joined(rules) =
  let keeps = [r.keep for r in rules if r.keep != null] in {
    keep = if keeps == [] then null else head(reverse(keeps))
    drop = unique(flatten([r.drop for r in rules]))
    setuid = unique(flatten([r.setuid for r in rules]))
  }

# The files that are removed from all packages of a container.
shared(linked, drop) =
  if drop != null then drop else if linked then [...documentation, ...unlinked] else documentation

# The rules of all packages in `found`, by name. listed: the packages that the user listed. special: the user's rules by
# package. drop: globs for all packages; setuid: files of the only listed package.
table(found, listed, special, linked, drop, setuid) =
  let
    # The listed packages by name: a search of the list for each package would take time with the square of their number.
    by-name = list-groups(listed, p => p.name)
    known = { ${p.name} = true for p in found }
    given = map-record(special, (name, r) => rule(r))
    strays = [name for name, _ in special if !has(known, name)]
    everywhere = shared(linked, drop)
    own(name) =
      if has(by-name, name) then joined([p.rule for p in by-name.${name}])
      else if !linked || get(given, name, none).keep != null then none
      else if name == "base-files" && !has(given, name) then { ...none, keep = release-files }
      else { ...none, drop = get(lean, name, []) }
    bits(name) =
      if setuid == [] || !has(by-name, name) then []
      else if length([n for n, _ in by-name]) == 1 then setuid
      else error("`setuid` needs one package; write rules = { PACKAGE = { setuid = [...] } }", "setuid")
    common(name) =
      let kept = function-of(name, has(by-name, name)) in if kept == [] || drop != null then everywhere
        else [g for g in everywhere if !contains(kept, g)]
    whole(name) =
      joined([{ ...none, drop = common(name) }, own(name), get(given, name, none), { ...none, setuid = bits(name) }])
  in
    if strays != [] then error("`rules` names ${head(strays)}, which is not among the packages", head(strays))
    else { ${p.name} = whole(p.name) for p in found }
