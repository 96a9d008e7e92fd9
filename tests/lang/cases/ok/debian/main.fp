debian = import("fpack/debian")
trixie = debian.trixie
result = {
  releases = sort(names(debian))
  version = trixie.postgresql-17.version
  quoted = trixie."g++".name
  rule = trixie.dash.slice { drop = ["/x"] }.rule
  absent = [trixie.nothing or "none", has(trixie, "dash"), has(trixie, "nothing"), get(trixie, "nothing", 1)]
  kinds = [trixie.dash.type, trixie.dash.deb.kind, trixie.dash.payload.kind]
  whole = trixie
}
