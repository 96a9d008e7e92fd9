# An error is a value that nobody may need.
result = { unused = length([error("never"), error("never", "field")]), branch = if true then 1 else error("no") }
