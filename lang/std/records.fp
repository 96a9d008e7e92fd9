# More functions for records: records = import("fpack/records").

# The record with only the fields in `names`. Missing fields are ignored.
#
#   records.keep({ a = 1, b = 2 }, ["a", "c"]) == { a = 1 }
keep(r: record, names: [string]) = { ${name} = get(r, name) for name in names if has(r, name) }

# The fields for which f(name, value) returns true.
#
#   records.select({ a = 1, b = 2 }, (name, value) => value > 1) == { b = 2 }
select(r: record, f: function) = { ${name} = value for name, value in r if f(name, value) }

# The record with each value replaced by f(value).
#
#   records.map-values({ a = 1, b = 2 }, x => x * 10) == { a = 10, b = 20 }
map-values(r: record, f: function) = map-record(r, (_, value) => f(value))

# The record with each name replaced by f(name).
#
#   records.map-names({ a = 1 }, upper) == { A = 1 }
map-names(r: record, f: function) = { ${f(name)} = value for name, value in r }

# A record with the given names, and f(name) as the value of each field.
#
#   records.from-names(["a", "b"], name => upper(name)) == { a = "A", b = "B" }
from-names(names: [string], f: function) = { ${name} = f(name) for name in names }

# The fields as a list of { name, value }, sorted by name. `to-record` is the inverse.
#
#   records.pairs({ b = 1, a = 2 }) == [{ name = "a", value = 2 }, { name = "b", value = 1 }]
pairs(r: record) = [{ name, value = get(r, name) } for name in names(r)]

# The field at a path of nested records, or `default` if a field is missing.
#
#   records.get-path({ a = { b = 1 } }, ["a", "b"]) == 1
#   records.get-path({ a = 1 }, ["x", "y"], 0) == 0
get-path(r, path: [string], default = null) =
  if path == [] then r
  else if type(r) != "record" || !has(r, head(path)) then default
  else get-path(get(r, head(path)), tail(path), default)

# The record with another value at a path of nested records; missing records on the path are added.
#
#   records.set-path({ a = { b = 1 } }, ["a", "c"], 2) == { a = { b = 1, c = 2 } }
set-path(r: record, path: [string], value) =
  let name = head(path), rest = tail(path), inner = get(r, name, {}) in
  { ...remove(r, name), ${name} = if rest == [] then value else set-path(inner, rest, value) }

# The record with the value of one field replaced by f(value).
#
#   records.update({ a = 1, b = 2 }, "a", x => x + 1) == { a = 2, b = 2 }
update(r: record, name: string, f: function) = { ...remove(r, name), ${name} = f(get(r, name)) }

# The record, with missing fields taken from `defaults`.
#
#   records.with-defaults({ a = 1 }, { a = 0, b = 0 }) == { a = 1, b = 0 }
with-defaults(r: record, defaults: record) = { ...defaults, ...r }

# The record without the fields that are null.
#
#   records.without-nulls({ a = null, b = 2 }) == { b = 2 }
without-nulls(r: record) = select(r, (_, value) => value != null)

# A record from a list of names and a list of the values at the same indices.
#
#   records.zip-names(["a", "b"], [1, 2]) == { a = 1, b = 2 }
zip-names(names: [string], values: list) = { ${head(pair)} = get(pair, 1) for pair in zip(names, values) }

# The records with one element of each list (the Cartesian product of a matrix), in the order of the lists of sorted
# names.
#
#   records.product({ os = ["a", "b"], v = [3] }) == [{ os = "a", v = 3 }, { os = "b", v = 3 }]
#   length(records.product({ a = [1, 2], b = [1, 2], c = [1, 2] })) == 8
product(lists: record) =
  fold(names(lists), [{}], (found, name) => [{ ...before, ${name} = x } for before in found for x in get(lists, name)])
