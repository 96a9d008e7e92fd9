# Each file of the directory is a function of the fields of the set that it names.
set   = package-set(./pkgs)
newer = set.extend((old, new) => { tls = old.tls.with { version = "2" } })
more  = package-set(./more, set)

result = {
  names  = names(set)
  first  = set.app.all
  later  = newer.app.all
  member = set.app.with({ tls = newer.tls, version = "9" }).all
  nested = [set.py.web.all, newer.py.web.all]
  over   = [more.app.all, more.tls.version]
}
