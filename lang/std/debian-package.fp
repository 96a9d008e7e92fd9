# A package of Debian or Ubuntu as a value: its description, the derivations of its files, and the rule that selects
# files.

# What is built for. Without settings, the source of packages knows it.
own-arch = settings.arch or ""

# Releases by name, for what is built for.
releases(known) = { ${release} = release-for(release, own-arch) for release in known }

# The packages of a release by name, for an architecture. `for` is the release for another one.
release-for(release, arch) = on-demand("the release ${release}", name =>
  if name == "for" then to => release-for(release, import("fpack/platform").of(to).arch)
  else if name == "replace" then {}
  else package(release, debian-package(release, name, arch), no-rule, arch))

# The packages of a release by name, of Debian or Ubuntu, for an architecture.
of-release(release, arch) =
  let
    debian = import("fpack/debian")
    found =
      if has(debian, release) || !contains(ubuntu-releases(), release) then get(debian, release)
      else get(import("fpack/ubuntu"), release)
  in if arch == own-arch then found else found.for(arch)

no-rule = { keep = null, drop = [], setuid = [] }

# found: the record of the package source. `rule` selects files: `keep` (null: all) and `drop` are globs of absolute
# paths; `setuid` lists the files that keep their set-id bits. built-for: the architecture of the release, also if the
# package is for all. replace: built packages by the names of those whose libraries they replace, in containers that list
# the package; a set that is extended by this field gives it to its packages. A package `.with { deb = FILE }` uses that file instead, and one `.with { payload = TREE }` these
# files, in builds and in the containers that list the package. A change of what Debian has built, such as its patches, is an
# error.
package(release: string, found: record, rule: record = no-rule, built-for = own-arch) = {
  type = "package"
  name = found.name
  version = found.version
  arch = found.arch
  platform = import("fpack/platform").of(built-for)
  source = found.source
  description = found.description
  section = found.section
  deb = archive-file(found)
  payload = payload-of(found.name, deb, version, arch)
  slice({ keep: list | null = null, drop: list = [], setuid: list = [] }) =
    package(release, found, { keep, drop, setuid }, built-for).with {
      deb, version, arch, replace
      ...if payload == payload-of(found.name, deb, version, arch) then {} else { payload }
    }
  # The same package, with the same rule, for another architecture.
  for = to =>
    let other = import("fpack/platform").of(to).arch in
    if other == built-for then
      package(release, found, rule, built-for).with {
        deb, version, arch, replace
        ...if payload == payload-of(found.name, deb, version, arch) then {} else { payload }
      }
    else if deb != archive-file(found) || payload != payload-of(found.name, deb, version, arch) then
      error(
        "The `deb` or `payload` of ${found.name} was changed for ${arch}, so it cannot be taken for ${other}",
        "deb",
      )
    else package(release, debian-package(release, found.name, other), rule, other).with { replace }
  replace = {}
  release
  rule
}

payload-of(package, deb, version, arch) = derivation {
  kind = "deb"
  name = store-name("${package}-${version}")
  package, deb, version, arch
}

# The .deb in the archive.
archive-file(found) = import("fpack/fetch").fetch {
  url = "mirror://${found.archive}/${found.file}"
  sha256 = found.sha256
  sha512 = get(found, "sha512", "")
  size = found.size
  name = store-name(head(reverse(split(found.file, "/"))))
}
