"""Texts of the language made by chance: sound ones of every form, with blanks, line breaks and comments anywhere."""

from __future__ import annotations

from fpack.lang.errors import EvalError
from fpack.lang.syntax.lexer import tokenize
from fpack.lang.syntax.source import Source
from hypothesis import strategies as st

NAMES = st.sampled_from(["a", "b", "c-d", "x", "map", "length", "or", "long-name-of-something"])
PLAIN = st.sampled_from(["a", "b", "c-d", "x", "r", "length", "map"])
ATOMS = st.sampled_from(
    ["1", "2.5", "-3", '"s"', '"a ${b} c"', "null", "true", "[]", "{}", "./p", '"\\n\\${x}"']
    + ['"""\n    one\n      two\n  """']
    + ['"""\n  ${a}\n   ${ b +1 }\n  """', '"a long text that fills much of a line, so that lines have to be broken"']
)  # fmt: skip
OPERATORS = st.sampled_from(["+", "-", "*", "/", "<", "==", "!=", "&&", "||", "|>"])


def _put(text: str) -> str:
    return f'"x${{{text}}}y"' if "\n" not in text else f'"""\n  x${{{text}}}\n  """'


def _forms(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    two = st.tuples(inner, inner)
    three = st.tuples(inner, inner, inner)
    build = st.builds
    return st.one_of(
        build("({0[0]} {1} {0[1]})".format, two, OPERATORS),
        build("[{0[0]}, ...{0[1]}, {0[2]}]".format, three),
        build("[{0[0]}, {0[1]},]".format, two),
        build("{{ a = {0[0]}, b = {0[1]}, }}".format, two),
        build("{{\n a = {0[0]}\n b   = {0[1]}\n ccc = {0[2]} }}".format, three),
        build("{{ ...{0[0]}, {1}, c = {0[1]} }}".format, two, PLAIN),
        build("{{ assert {0[0]}, {0[1]}\n a = {0[2]} }}".format, three),
        build("(if {0[0]} then {0[1]} else {0[2]})".format, three),
        build("(if {0[0]} then {0[1]} else if {0[2]} then 1 else 2)".format, three),
        build("(let {1} = {0[0]}, g(x, b = {1}) = {0[1]} in {0[2]})".format, three, PLAIN),
        build("(let\n a = {0[0]}\n b = {0[1]}\n in {0[2]})".format, three),
        build("({1} => {0})".format, inner, PLAIN),
        build("(({{ a, b: int | null = {0[0]}, ...c }}, x = {0[1]}) => a)".format, two),
        build("f({0[0]}, ...{0[1]}, k = {0[2]})".format, three),
        build("({0[0]}) {{ a = {0[1]}, b = a }}".format, two),
        build("[{0[0]} for a in {0[1]} if {0[2]}]".format, three),
        build("{{ ${{{0[0]}}} = {0[1]} for a, b in {0[2]} }}".format, three),
        build("{{ ${{{0[0]}}} = {0[1]}\n \"q ${{a}}\" = 2 }}".format, two),
        build(_put, inner),
        build("({0}).a.${{{1}}}".format, inner, PLAIN),
        build("(r.a or {0})".format, inner),
        build('(assert {0[0]}, "m" in {0[1]})'.format, two),
        build("(!{0})".format, inner),
        build("(- {0})".format, inner),
    )  # fmt: skip


EXPRESSIONS = st.recursive(st.one_of(PLAIN, ATOMS), _forms, max_leaves=20)
ENTRIES = st.one_of(
    st.builds("{} = {}".format, NAMES, EXPRESSIONS),
    st.builds("{}(a, b: list = [], {{ c, d = {} }}) = {}".format, NAMES, EXPRESSIONS, EXPRESSIONS),
    st.builds("...{}".format, EXPRESSIONS),
    st.builds('"q.r" = {}'.format, EXPRESSIONS),
    st.builds("assert {}, {}".format, EXPRESSIONS, EXPRESSIONS),
)
GAPS = st.sampled_from(["", "", "", " ", "  ", "\n", "\n\n\n", " # note\n", "\n   # a line\n", "\n\n# far\n\n", "\t"])


@st.composite
def files(draw: st.DrawFn) -> str:
    """Return a file: sound entries, with more blanks and comments between their tokens.

    It may not parse, mostly it does.
    """
    text = draw(st.sampled_from(["\n", "\n\n", ",\n"])).join(draw(st.lists(ENTRIES, min_size=1, max_size=4)))
    return scattered(draw, text)


@st.composite
def loose_expressions(draw: st.DrawFn) -> str:
    """Return an expression with more blanks and comments between its tokens."""
    return scattered(draw, draw(EXPRESSIONS))


def scattered(draw: st.DrawFn, text: str) -> str:
    """Return the text with more in some of the gaps between its tokens; in no string."""
    try:
        tokens = tokenize(Source("t", text))
    except EvalError:
        return text
    parts, last, depth = [], 0, 0
    for kind, _, start, end in tokens:
        if kind == "NL":
            continue
        parts.append(text[last:start])
        if not depth and draw(st.integers(0, 5)) == 0:
            parts.append(draw(GAPS))
        depth += (kind == "STRING_START") - (kind == "STRING_END")
        parts.append(text[start:end])
        last = end
    return "".join([*parts, text[last:]])
