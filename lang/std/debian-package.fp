# A package of Debian or Ubuntu as a value: its description, the derivations of its files, and the rule that selects
# files.

# The packages of a release by name, of Debian or Ubuntu.
of-release(release) =
  let debian = import("fpack/debian") in
  if has(debian, release) || !contains(ubuntu-releases(), release) then get(debian, release)
  else get(import("fpack/ubuntu"), release)

no-rule = { keep = null, drop = [], setuid = [] }

# found: the record of the package source. `rule` selects files: `keep` (null: all) and `drop` are globs of absolute
# paths; `setuid` lists the files that keep their set-id bits. A package `.with { deb = FILE }` uses that file instead,
# and one `.with { payload = TREE }` these files, in builds and in the containers that list the package. A change of what
# Debian has built, such as its patches, is an error.
package(release: string, found: record, rule: record = no-rule) = {
  type = "package"
  name = found.name
  version = found.version
  arch = found.arch
  source = found.source
  description = found.description
  section = found.section
  deb = import("fpack/fetch").fetch {
    url = "mirror://${found.archive}/${found.file}"
    sha256 = found.sha256
    sha512 = get(found, "sha512", "")
    size = found.size
    name = store-name(head(reverse(split(found.file, "/"))))
  }
  payload = payload-of(found.name, deb, version, arch)
  slice({ keep: list | null = null, drop: list = [], setuid: list = [] }) =
    package(release, found, { keep, drop, setuid }).with {
      deb, version, arch
      ...if payload == payload-of(found.name, deb, version, arch) then {} else { payload }
    }
  release
  rule
}

payload-of(package, deb, version, arch) = derivation {
  kind = "deb"
  name = store-name("${package}-${version}")
  package, deb, version, arch
}
