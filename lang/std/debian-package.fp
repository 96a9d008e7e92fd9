# One Debian package as a value: what it is, how its files come, and which of them are wanted.

no-rule = { keep = null, drop = [], setuid = [] }

# found: what the package source says of the package. `rule` says which files are wanted: `keep` (null: all) and `drop`
# are globs of absolute paths; `setuid` names the files that keep their set-id bits.
package(release: string, found: record, rule: record = no-rule) =
  let
    file-name = store-name(head(reverse(split(found.file, "/"))))
    deb-file = import("fpack/fetch").fetch {
      url = "mirror://${found.archive}/${found.file}"
      sha256 = found.sha256
      size = found.size
      name = file-name
    }
    payload-files = derivation {
      kind = "deb"
      name = store-name("${found.name}-${found.version}")
      deb = deb-file
      package = found.name
      version = found.version
      arch = found.arch
    }
  in {
    type = "package"
    name = found.name
    version = found.version
    arch = found.arch
    source = found.source
    description = found.description
    section = found.section
    deb = deb-file
    payload = payload-files
    slice({ keep: list | null = null, drop: list = [], setuid: list = [] }) =
      package(release, found, { keep, drop, setuid })
    release
    rule
  }
