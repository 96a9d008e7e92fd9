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
# and one `.with { payload = TREE }` these files, in builds and in the containers that list the package.
package(release: string, found: record, rule: record = no-rule) = of { release, found, rule }

of({
  release
  found
  rule
  version = found.version
  arch = found.arch
  deb = import("fpack/fetch").fetch {
    url = "mirror://${found.archive}/${found.file}"
    sha256 = found.sha256
    sha512 = get(found, "sha512", "")
    size = found.size
    name = store-name(head(reverse(split(found.file, "/"))))
  }
  payload = derivation {
    kind = "deb"
    name = store-name("${found.name}-${version}")
    package = found.name
    deb
    version
    arch
  }
  ...others
}) =
  if names(others) != [] then unchanged(found.name, head(names(others)))
  else {
    type = "package"
    name = found.name
    source = found.source
    description = found.description
    section = found.section
    slice({ keep: list | null = null, drop: list = [], setuid: list = [] }) =
      of { release, found, rule = { keep, drop, setuid }, version, arch, deb, payload }
    version, arch, deb, payload, release, rule
  }

unchanged(name, field) = error(
  "`${field}` changes nothing of ${name}, which Debian has built: its fields are deb, payload, version, arch and rule. To change how it is built, build its source with `package` or `make`",
  field,
)
