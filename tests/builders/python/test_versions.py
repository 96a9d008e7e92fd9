"""Versions, specifiers and markers as PEP 440 and PEP 508 define them."""

from __future__ import annotations

import pytest
from fpack.builders.python.markers import environment, holds
from fpack.builders.python.requirements import requirement, requirements_file
from fpack.builders.python.versions import allows_pre, parse, satisfies, specifier

ORDERED = ["1.0.dev1", "1.0a1.dev2", "1.0a1", "1.0b1", "1.0rc1", "1.0", "1.0.post1", "1.1.dev1", "1.1", "2!0.1"]


def test_versions_are_ordered() -> None:
    shuffled = [ORDERED[i] for i in (3, 9, 0, 5, 1, 8, 2, 7, 4, 6)]
    assert sorted(shuffled, key=parse) == ORDERED
    assert parse("1.0") == parse("v1") == parse("1.0.0") and parse("1.0-1") == parse("1.0.post1")


@pytest.mark.parametrize(
    ("version", "wanted", "fits"),
    [
        ("1.4.5", "~=1.4", True),
        ("2.0", "~=1.4", False),
        ("1.4.5", "~=1.4.2", True),
        ("1.5", "~=1.4.2", False),
        ("1.1.9", "==1.1.*", True),
        ("1.2", "!=1.1.*", True),
        ("1.0.post1", ">1.0", False),
        ("1.0.post1", ">=1.0", True),
        ("3.0rc1", "<3.0", False),
        ("3.0rc1", "<3.0.1", True),
        ("1.0+cpu", "==1.0", True),
        ("1.0", "==1.0+cpu", False),
        ("3.13.5", ">=3.9,<4,!=3.10.*", True),
        ("x", "===x", True),
    ],
)
def test_specifiers(version: str, wanted: str, fits: bool) -> None:
    assert satisfies(version, specifier(wanted)) is fits


def test_a_pre_release_is_taken_only_if_it_is_named() -> None:
    assert allows_pre(specifier(">=1.0rc1")) and not allows_pre(specifier(">=1.0,<2"))


@pytest.mark.parametrize("text", ["", "one", "1" * 300, "1..2", "1.0 beta"])
def test_what_is_no_version(text: str) -> None:
    with pytest.raises(ValueError, match="is not a valid version"):
        parse(text)


@pytest.mark.parametrize(
    ("marker", "true"),
    [
        ("", True),
        ("python_version >= '3.10'", True),
        ("python_version < '3.9'", False),
        ("'3.9' <= python_version", True),
        ("sys_platform == 'win32' or (os_name == 'posix' and platform_machine == 'x86_64')", True),
        ("sys_platform == 'linux' and implementation_name != 'cpython'", False),
        ("extra == 'Fast_Path'", True),
        ("extra == 'docs'", False),
        ("'dev' in dependency_groups", True),
        ("'test' not in dependency_groups and 'fast-path' in extras", True),
        ("python_version in '3.12, 3.13'", True),
        ("platform_python_implementation == 'PyPy'", False),
        ("python_full_version >= '3.13.5'", True),
    ],
)
def test_markers(marker: str, true: bool) -> None:
    assert holds(marker, environment("3.13.5", "amd64", ["fast.path"], ["dev"])) is true


@pytest.mark.parametrize(
    "marker",
    ["os_name", "os_name ==", "os_name == 'a' and", "nothing == 'x'", "(" * 100 + "os_name == ''", "x" * 30_000],
)
def test_hostile_markers(marker: str) -> None:
    with pytest.raises(ValueError):
        holds(marker, environment("3.13.5", "amd64"))


def test_long_chains_of_markers() -> None:
    chain = " or ".join(["os_name == 'nt'"] * 500)
    assert not holds(chain, environment("3.13.5", "amd64"))


def test_requirements() -> None:
    found = requirement("Some_Project[b, A] >=1,<2 ; python_version > '3'")
    assert (found.name, sorted(found.extras), found.marker) == ("some-project", ["a", "b"], "python_version > '3'")
    assert requirement("a @ https://example.org/a.whl").url and requirement("a (>=1)").versions
    with pytest.raises(ValueError, match="is no"):
        requirement("a b")


def test_files_of_requirements_name_others() -> None:
    files = {
        "requirements.txt": "-r base/all.txt\n-c limits.txt\nflask  # web\n--index-url https://x\n-e .\n",
        "base/all.txt": "-r more.txt\na==1 \\\n  --hash=sha256:00\n",
        "base/more.txt": "b\n-r all.txt\n",
        "limits.txt": "c<2\n",
    }
    found = requirements_file("requirements.txt", files.__getitem__)
    assert (sorted(found.lines), found.constraints, found.hashed) == (["a==1", "b", "flask"], ("c<2",), False)
    assert found.ignored == ("-e .",)
