"""Names and markers that generated code shares with the runtime and the diagnostics."""

from __future__ import annotations

# A generated function that evaluates the parts of a record: the prefix of its name, and its parameter, the number of
# the part.
PARTS = ".parts"
PART = ".part"

# The global of a module that holds the FunctionInfo of each function, by the `id` of its code object. A code object
# cannot be the key itself: its hash is computed from all that it contains, each time.
FUNCTIONS = ".functions"
# The suffix of a name whose value is evaluated with all that it contains. No name contains this character.
DEEP = "*"
# The suffix of a called name that refers to the builtin or prelude, not to the field of the same name (see
# `mark_outer_calls` in syntax/tree.py). No name contains a dot.
OUTER = ".outer"
# The parameter of the function that changes nested fields, and the runtime functions that it calls.
OLD = ".old"
CHANGE_FIELD = ".change-field"
EXTEND_FIELD = ".extend-field"
SPREAD_FIELD = ".spread-field"
# The runtime function that checks that a record has a field whose fields a change changes.
KNOWN_FIELD = ".known-field"
# The runtime function that marks a record with nested fields, and the variable with the names of those of a file.
NESTED = ".nested"
NESTED_NAMES = ".nested-names"

# The parameter that holds the varying constants of code that several values share (compiler/shared_code.py), and the
# global that finds the code of one of them.
SHARED = ".shared"
ORIGINAL = ".original"
# The variable that holds the call in the user's text that led to a function of the library.
SITE = ".site"


class FunctionInfo:
    """Facts about a generated function, which hold for every closure of its code.

    evaluates: the fields of its record argument that the function evaluates, as compiler/functions.py encodes them.
    fresh: the result comes from a call with a record, so that nothing else holds it. parts: the names of the parts, if
    the function evaluates the parts of a record. answers, pattern: caches of the runtime, for the fields that
    callers want, and for the fields that the function takes.
    """

    __slots__ = ("evaluates", "fresh", "parts", "answers", "pattern")

    def __init__(self, evaluates: str = "", fresh: bool = False, parts: tuple[str, ...] = ()) -> None:
        self.evaluates = evaluates
        self.fresh = fresh
        self.parts = parts
        self.answers: dict[str, bool] = {}
        self.pattern: object = None
