"""Names that compiled modules and the code that runs or explains them agree on."""

from __future__ import annotations

# A generated function that evaluates parts of a record: its name's begin, and its parameter, the number of a part. Its
# docstring has their names, a line each.
PARTS = ".parts"
PART = ".part"

# What the docstring of a function begins with that says what it evaluates of its record (recordcalls.py).
PROMISE = "\0"
FRESH = "="  # and then, where the function's result is made by a call with a record, and is nobody else's
DEEP = "*"  # no name has one
# What the name of a function ends in that is not the field's own but every file's (see `outward`). No name has a dot.
OUTER = ".outer"
