# A record that spreads a release first is an open set, as by `.extend`: packages are still looked up when they are used.
debian = import("fpack/debian").trixie
set = { ...debian, tool = "tool ${version}", version = 1, assert version > 0, "a version is positive" }
result = {
  tool = set.tool
  later = set.extend { version = 2 }.tool
  same = { ...debian }.dash.name
  package = set.dash.name
  replaced = { ...debian, dash = { name = "other" } }.dash.name
  nested = { ...debian, dash.version = "9" }.dash.version
  layers = { ...debian.extend(old => { shell = old.dash.name }), dash = { name = "other" } }.shell
  missing = set.nothing or "none"
  several = { ...debian, ...{ x = 1, y = x }, z = 5 }.extend { x = 3 }.y
}
