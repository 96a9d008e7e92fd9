services = {
  web = { after = ["db", "cache"] }
  db = { after = [] }
  cache = { after = ["db"] }
}
result = toposort(map-record(services, (_, s) => s.after))
