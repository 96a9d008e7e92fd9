"""Test that each builtin evaluates exactly what its table and its documentation say.

In the calls below, `#` is put in place of one argument or element at a time. If the table of builtins says that an
argument is certainly evaluated, an error there is an error of the call. If a call is listed here, the marked values are
not needed for its result, and an error in place of them must not be noticed.
"""

from __future__ import annotations

import pytest
from fpack.lang.builtins import table
from fpack.lang.errors import EvalError
from fpack.lang.evaluator import Evaluator
from support.archives.packages import Packages

EVALUATOR = Evaluator(packages=Packages())
BOOM = 'error("boom")'

# A correct call of each builtin, with its arguments as a list.
CALLS = {
    "map": ["[1]", "x => x"], "filter": ["[1]", "x => true"], "fold": ["[1]", "0", "(a, b) => b"], "length": ["[1]"],
    "head": ["[1]"], "tail": ["[1]"], "get": ["[1]", "0", "5"], "range": ["1", "2"], "reverse": ["[1]"],
    "flatten": ["[[1]]"], "sort": ["[1]", "x => x"], "unique": ["[1]"], "unique-by": ["[1]", "x => x"],
    "closure": ["[1]", "x => []", "x => x"], "zip": ["[1]", "[2]"],
    "any": ["[1]", "x => true"], "all": ["[1]", "x => true"], "contains": ["[1]", "1"], "names": ["{ a = 1 }"],
    "values": ["{ a = 1 }"], "has": ["{ a = 1 }", '"a"'], "remove": ["{ a = 1 }", '"a"'],
    "map-record": ["{ a = 1 }", "(k, v) => v"], "to-record": ['[{ name = "a", value = 1 }]'],
    "on-demand": ['"x"', "n => n"], "split": ['"a"', '","'], "join": ['["a"]', '","'],
    "replace": ['"a"', '"a"', '"b"'], "replace-all": ['"a"', '"a"', '"b"'], "substring": ['"a"', "0", "1"],
    "starts-with": ['"a"', '"a"'], "ends-with": ['"a"', '"a"'], "trim": ['"a"'], "lower": ['"a"'], "upper": ['"a"'],
    "match": ['"a"', '"a"'], "find-all": ['"a"', '"a"'], "characters": ['"a"'], "to-string": ["1"],
    "to-int": ['"1"', "10"], "to-json": ["1"], "to-yaml": ["1"], "to-toml": ["{}"], "to-ini": ["{}"],
    "hash": ['"a"', '"sha256"'], "from-json": ['"1"'], "from-toml": ['"a = 1"'], "from-yaml": ['"1"'],
    "store-name": ['"a"'], "abs": ["1"], "mod": ["1", "2"], "floor": ["1"], "ceil": ["1"], "round": ["1"],
    "to-float": ["1"], "optional": ["true", "1"], "toposort": ["{ a = [] }"],
    "trace": ['"x"', "1"], "warn": ['"x"', "1"],
    "type": ["1"], "evaluate": ["1", "2"], "mentions": ["1"], "inputs": ['text("a", "b")'],
    "is-executable": ["./x"], "secret": ['"A"'], "derivation": ['{ kind = "k", name = "n" }'],
    "derivation-of": ['"${text("a", "b")}"'],
}  # fmt: skip
NO_CALL = {
    "error",
    "import",
    "settings",
    "read-text",
    "read-json",
    "read-toml",
    "read-yaml",
    "read-dir",
    "source",
    "package-set",
    "concat",
    "merge",
    "min",
    "max",
}
NO_CALL |= {name for name in table.STRICT if name.startswith(("debian-", "ubuntu-"))}
NO_CALL |= table.HIDDEN - set(CALLS)

# Calls of which no marked value is needed. Each must have a value with any of the marks replaced by an error.
UNNEEDED = """
length(map([#, #], x => #))
length(filter([#], x => true))
fold([1, 2], #, (a, b) => b)
fold([#], 0, (a, b) => a)
length([#, #])
length({ a = #, b = # })
head([1, #])
length(tail([#, #]))
get([1, #], 0, #)
get({ a = 1, b = # }, "a", #)
length(reverse([#, #]))
length(concat([#], [#]))
length(flatten([[#], [#]]))
length(zip([#], [#, #]))
zip([], [#])
sort([])
any([1, #], x => x == 1)
all([1, #], x => x == 2)
contains([1, #], 1)
contains([], #)
names({ a = #, b = # })
length(values({ a = # }))
has({ a = #, b = # }, "a")
names(remove({ a = #, b = # }, "b"))
names(map-record({ a = # }, (k, v) => #))
names(to-record([{ name = "a", value = # }]))
merge({ a = #, b = 1 }, { a = 2 }).b
merge({ a = # }, { a = 2 })
merge({ a = { x = #, y = 1 } }, { a = { x = 2 } })
names(merge({ a = # }, { a = # }))
merge({ a = { x = # } }, { a = { y = 1 } }, { a = 3 })
merge({ a = { x = #, y = 1 } }, { a = { x = # } }).a.y
on-demand("x", n => if n == "a" then 1 else #).a
optional(false, #)
length(optional(true, #))
type([#])
type({ a = # })
evaluate([#], 1)
length(to-record([]))
trace("x", 1)
[] == []
[1, #] == [2, #]
{ a = # } == { b = # }
[#] == []
{ ...{ a = # }, a = 1 }
{ a = # }.with { a = 1 }
[x for x in []]
length([# for x in [1, 2]])
names({ ${n} = # for n in ["a"] })
length([k for k, v in { a = # }])
"""


def test_each_builtin_is_covered() -> None:
    assert set(table.STRICT) == set(CALLS) | NO_CALL


@pytest.mark.parametrize("name", CALLS)
def test_certain_arguments_are_evaluated(name: str) -> None:
    args, letters = CALLS[name], table.STRICT[name]
    EVALUATOR.expression(f"{name}({', '.join(args)})")
    for i, letter in enumerate(letters[: len(args)]):
        call = f"{name}({', '.join([*args[:i], BOOM, *args[i + 1 :]])})"
        if letter == "s":
            with pytest.raises(EvalError, match="boom"):
                EVALUATOR.expression(call)
        # And not because the compiler evaluates them: here the function is a value.
        call = f"(f => f({', '.join([*args[:i], BOOM, *args[i + 1 :]])}))({name})"
        if letter == "s":
            with pytest.raises(EvalError, match="boom"):
                EVALUATOR.expression(call)


@pytest.mark.parametrize("call", UNNEEDED.strip().splitlines())
def test_values_that_are_not_needed_are_not_evaluated(call: str) -> None:
    pieces = call.split("#")
    for hole in range(len(pieces) - 1):
        text = "".join(p + (BOOM if i == hole else "1") for i, p in enumerate(pieces[:-1])) + pieces[-1]
        for form in (text, f"(() => {text})()", f"let f() = {text} in f()"):
            EVALUATOR.force(EVALUATOR.expression(form), deep="{" not in call or "#" not in call)
    EVALUATOR.expression(BOOM.join(pieces))


def test_each_lazy_argument_has_a_call_that_does_not_need_it() -> None:
    lazy = {name for name, letters in table.STRICT.items() if "l" in letters}
    assert all(f"{name}(" in UNNEEDED for name in lazy - NO_CALL - {"trace", "warn"})
