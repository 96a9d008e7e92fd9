"""The standard library's own modules: documented, and true to their examples and models."""

from __future__ import annotations

import shutil
import subprocess
from functools import cmp_to_key
from pathlib import Path

import pytest
from fpack.lang import documentation
from fpack.lang.errors import EvalError
from fpack.lang.evaluator import Evaluator
from hypothesis import given, settings
from hypothesis import strategies as st
from support.properties import examples

MODULES = ["lists", "records", "strings", "versions"]
# What the others of a file are made of; users have no need of it.
INNER = ("comparator", "digits", "for-three", "identifier", "order", "weight", "debian-part", "upstream-parts",
         "upstream-number", "zero", "releases", "after-release", "before-release")  # fmt: skip
EVALUATOR = Evaluator()


def docs(module: str) -> list[documentation.Doc]:
    found = documentation.find(f"fpack/{module}")
    assert isinstance(found, documentation.Manual) and found.text
    return list(found.fields)


EXAMPLES = [(module, text) for module in MODULES for doc in docs(module) for text in doc.examples]


@pytest.mark.parametrize(("module", "text"), EXAMPLES)
def test_examples_evaluate_to_true(module: str, text: str) -> None:
    assert f"{module}." in text
    assert EVALUATOR.expression(f'let {module} = import("fpack/{module}") in {text}') is True


@pytest.mark.parametrize("module", MODULES)
def test_each_function_is_documented(module: str) -> None:
    for doc in docs(module):
        name = doc.name.rpartition(".")[2]
        assert name in INNER or doc.text, doc.name
        assert name in INNER or name in ("key", "debian-key", "upstream-key") or doc.examples, doc.name


def ordered(a: str, b: str, kind: str = "") -> int:
    return int(EVALUATOR.expression(f'import("fpack/versions").compare{kind}("{a}", "{b}")'))


def test_semantic_versions_are_ordered_as_specified() -> None:
    line = "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0 2.0.0"
    versions = line.split()
    for i, a in enumerate(versions):
        for j, b in enumerate(versions):
            assert ordered(a, b) == (i > j) - (i < j), (a, b)
    assert ordered("1.0.0+a", "1.0.0+b") == 0


PIECES = st.lists(st.sampled_from(["0", "1", "9", "10", "007", "a", "Z", "~", "+", ".", "rc", "deb", "-1"]), max_size=6)


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="dpkg says what is right")
@settings(max_examples=examples(150), deadline=None)
@given(PIECES, PIECES, st.sampled_from(["", "1:"]))
def test_debian_versions_are_ordered_as_dpkg_orders_them(a: list[str], b: list[str], epoch: str) -> None:
    left, right = epoch + "1" + "".join(a), "1" + "".join(b)
    for op, wanted in (("lt", -1), ("eq", 0), ("gt", 1)):
        done = subprocess.run(["dpkg", "--compare-versions", left, op, right], stderr=subprocess.DEVNULL, check=False)
        assert (done.returncode == 0) is (ordered(left, right, "-debian") == wanted), (left, op, right)


@pytest.mark.parametrize(
    ("range_", "inside", "outside"),
    [
        ("^1.2.3", "1.2.3 1.9.0", "1.2.2 2.0.0 2.0.0-rc.1"),
        ("^0.2.3", "0.2.3 0.2.9", "0.3.0 1.0.0"),
        ("^0.0.3", "0.0.3", "0.0.4"),
        ("^0", "0.9.9", "1.0.0"),
        ("~1.2", "1.2.0 1.2.9", "1.3.0"),
        ("~1", "1.9.0", "2.0.0"),
        ("1.x", "1.0.0 1.99.1", "2.0.0 0.9.0"),
        ("*", "0.0.1 9.9.9", "1.0.0-rc.1"),
        (">=1.2 <2", "1.2.0 1.99.0", "2.0.0 1.1.9"),
        (">= 1.2, < 2", "1.2.0", "2.0.0"),
        (">1", "2.0.0", "1.5.0"),
        ("<=1.2", "1.2.9", "1.3.0"),
        ("1.2.3", "1.2.3", "1.2.4"),
        ("^1.2.3-rc.1", "1.2.3-rc.2 1.2.3 1.3.0", "1.2.4-rc.1"),
        ("^1 || ^3", "1.1.0 3.1.0", "2.0.0"),
    ],
)
def test_ranges_of_versions(range_: str, inside: str, outside: str) -> None:
    for wanted, versions in ((True, inside), (False, outside)):
        for version in versions.split():
            found = EVALUATOR.expression(f'import("fpack/versions").satisfies("{version}", "{range_}")')
            assert found is wanted, (version, range_)


WRONG = ['parse("1.x")', 'satisfies("1.0.0", "what")', 'compare-debian("1 2", "1")', "newest([])"]


@pytest.mark.parametrize("text", WRONG)
def test_an_invalid_version_is_an_error_at_its_position(text: str) -> None:
    with pytest.raises(EvalError) as caught:
        EVALUATOR.expression(f'import("fpack/versions").{text}')
    assert caught.value.file == "<command line>" and "version" in caught.value.what


TEXT = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=12)


@settings(max_examples=examples(60), deadline=None)
@given(TEXT)
def test_a_shell_reads_a_quoted_word_unchanged(word: str) -> None:
    literal = word.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    quoted = EVALUATOR.expression(f'import("fpack/strings").shell-quote("{literal}")')
    shown = subprocess.run(["sh", "-c", f"printf %s {quoted}"], capture_output=True, check=True).stdout.decode()
    assert shown == word


def test_unknown_names_suggest_the_nearest() -> None:
    assert documentation.find("lists.takee") is None
    assert documentation.suggest("lists.takee") == "lists.take"
    assert documentation.suggest("lsits") == "lists"
    assert documentation.suggest("mpa") == "map"


def test_a_download_by_sha512() -> None:
    fetch = 'fetch { url = "https://example.org/f", sha512 = "DIGEST" }'
    assert EVALUATOR.is_derivation(EVALUATOR.expression(fetch.replace("DIGEST", "AB" * 64)))
    with pytest.raises(EvalError, match="`sha512` is 128 hexadecimal digits"):
        EVALUATOR.force(EVALUATOR.expression(fetch.replace("DIGEST", "ab" * 32)))


def test_documentation_of_a_user_file(tmp_path: Path) -> None:
    from fpack.lang.syntax.source import Source

    text = (
        "# About it.\n\n# Says hello.\n#\n#   greet('x')\ngreet(name: string, { a = 1 }) =\n  name\n"
        "none = 5\nf = (x, y = 2) => x\n"
    )
    manual = documentation.of_file(Source("a.fp", text), "a.fp")
    assert manual.text == "About it."
    assert [(d.calls, d.text, d.examples, d.place) for d in manual.fields] == [
        (("greet(name: string, { a = 1 })",), "Says hello.\n\n  greet('x')", ("greet('x')",), "a.fp:6"),
        (("none",), "", (), "a.fp:8"),
        (("f(x, y = 2)",), "", (), "a.fp:9"),
    ]


# Beginnings of lists that are in order, as projects released them.
RELEASED = [
    "1.0.2u 1.1.1-pre1 1.1.1 1.1.1a 1.1.1w 3.0.0-alpha17 3.0.0-beta1 3.0.0 3.0.1",  # OpenSSL
    "9.8 9.8p1 9.9 9.9p1 9.9p2 9.10",  # OpenSSH
    "2023d 2024a 2024b 2025a",  # tzdata
    "R14B04 R16B 17.0-rc1 17.0 17.0.1 27.1",  # Erlang
    "8u392 8u402 11.0.22",  # OpenJDK
    "5.2.rc1 5.2 5.2.1 5.10",
    "1.0dev 1.0a1 1.0b2 1.0rc1 1.0 1.0.post1 1.1",  # Python's packages
    "0.9.8 v1.0-beta.2 v1.0-beta.11 v1.0 v1.0.1",
    "20240101 20240102.1 20250101",
    "2_9_14 2_10_0 2_10_3",
    "1.0 1.0-1 1.0-2",
]


@pytest.mark.parametrize("line", RELEASED)
def test_versions_are_ordered_as_they_were_released(line: str) -> None:
    versions = line.split()
    for i, a in enumerate(versions):
        for j, b in enumerate(versions):
            assert ordered(a, b, "-upstream") == (i > j) - (i < j), (a, b)


@pytest.mark.parametrize(("a", "b"), [("1.0", "1"), ("v1.2", "release-1.2"), ("1.2.3", "1-2_3"), ("1.0RC1", "1.0-rc.1"),
                                      ("1.0-final", "1.0"), ("1.2+git5", "1.2"), ("007", "7")])  # fmt: skip
def test_versions_that_are_one(a: str, b: str) -> None:
    assert ordered(a, b, "-upstream") == 0


ANY = st.lists(st.sampled_from(["0", "1", "12", "10", "rc", "a", "p", "w", ".", "-", "_", "post", "beta"]), max_size=6)


@given(st.tuples(ANY, ANY, ANY))
def test_any_versions_have_one_order(pieces: tuple[list[str], ...]) -> None:
    a, b, c = sorted(("1" + "".join(each) for each in pieces), key=cmp_to_key(lambda x, y: ordered(x, y, "-upstream")))
    assert ordered(a, b, "-upstream") <= 0 and ordered(b, c, "-upstream") <= 0 and ordered(a, c, "-upstream") <= 0
    assert ordered(a, b, "-upstream") == -ordered(b, a, "-upstream")


@given(st.lists(st.integers(0, 2000), min_size=1, max_size=4), st.lists(st.integers(0, 2000), min_size=1, max_size=4))
def test_numbers_are_compared_as_numbers(a: list[int], b: list[int]) -> None:
    long = max(len(a), len(b))
    filled = [[*each, *[0] * (long - len(each))] for each in (a, b)]
    wanted = (filled[0] > filled[1]) - (filled[0] < filled[1])
    assert ordered(".".join(map(str, a)), ".".join(map(str, b)), "-upstream") == wanted
    assert ordered(".".join(map(str, a)) + "rc1", ".".join(map(str, a)), "-upstream") == -1


def test_what_is_no_version() -> None:
    for text in ("", "---", "v"):
        with pytest.raises(EvalError, match="is not a version"):
            ordered(text, "1", "-upstream")
    with pytest.raises(EvalError, match="compare-upstream compares others"):
        ordered("1.1.1w", "1")
