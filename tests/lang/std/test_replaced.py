"""Test that replaced libraries reach containers: by their own field, and by that of a set of packages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fpack.lang.errors import EvalError
from fpack.lang.evaluator import Evaluator
from fpack.store import derivation
from support.archives.packages import Everything, Files

CODEC = {"name": "zstd", "level": 3, "threads": 2, "library": "test"}
TEXT = """
let
  base = import("fpack/debian").trixie
  tools = []
  z = package { name = "z", install = "true" }
  other = package { name = "other", install = "true" }
  debian = base.extend { replace = { dash = z } }
in
"""


@pytest.fixture
def replaced(tmp_path: Path, cache: Path) -> Callable[[str], list[str]]:
    """Return a function that returns what the root of a container replaces, as PACKAGE=NAME."""

    def names(container: str) -> list[str]:
        settings = {"arch": "amd64", "codec": CODEC}
        made = Evaluator(root=tmp_path, cache=cache, packages=Everything(), sources=Files(), settings=settings)
        value = made.expression(f"{TEXT} ({container}).root")
        body = derivation.decode(made.derivations[made.derivation_of(value)[0]])
        rows: Any = body.args.get("replace", ())
        return [f"{row['package']}={row['path'].partition('-')[2]}" for row in rows]

    return names


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        ("container { packages = [base.dash] }", []),
        ("container { packages = [base.dash], replace = { dash = z } }", ["dash=z-0"]),
        ("container { packages = [debian.dash] }", ["dash=z-0"]),
        ('container { packages = [debian.dash], closure = "linked" }', ["dash=z-0"]),
        ('container { packages = [debian.dash.slice { drop = ["/x"] }] }', ["dash=z-0"]),
        ("container { packages = [debian.dash, base.sudo] }", ["dash=z-0"]),
        ("container { packages = [debian.extend((old, new) => { x = 1 }).dash] }", ["dash=z-0"]),
        ("container { packages = [debian.extend { replace = { dash = other } }.dash] }", ["dash=other-0"]),
        ("container { packages = [base.extend((old, new) => { zz = z, replace = { dash = new.zz } }).dash] }",
         ["dash=z-0"]),
        ('container { packages = [package { name = "app", install = "true", libs = [debian.dash] }] }', ["dash=z-0"]),
        ("(container { packages = [base.dash], replace = { dash = z } }).with { replace.sudo = other, "
         "packages = [base.dash, base.sudo] }", ["dash=z-0", "sudo=other-0"]),
    ],
)  # fmt: skip
def test_what_a_container_replaces(replaced: Callable[[str], list[str]], container: str, expected: list[str]) -> None:
    assert replaced(container) == expected


@pytest.mark.parametrize(
    ("container", "what"),
    [
        ("container { packages = [base.dash], replace = { nothing = z } }", "nothing is not among the packages"),
        ("container { packages = [debian.dash], replace = { dash = other } }", "dash is replaced by two packages"),
        ("container { packages = [base.dash], replace = { dash = base.sudo } }", "takes built packages"),
        ('container { packages = [base.dash], replace = { dash = "z" } }', "takes built packages"),
        ("container { packages = [base.extend { replace = 5 }.dash] }", "replace"),
    ],
)
def test_what_cannot_replace_is_an_error(replaced: Callable[[str], list[str]], container: str, what: str) -> None:
    with pytest.raises(EvalError) as raised:
        replaced(container)
    assert what in str(raised.value)


def test_a_build_with_built_libraries_has_the_linker_and_others_have_not(tmp_path: Path, cache: Path) -> None:
    made = Evaluator(root=tmp_path, cache=cache, packages=Everything(), sources=Files(), settings={"arch": "amd64"})
    for libs, has in {"[]": False, "[base.dash]": False, "[z]": True, "[base.dash, z]": True}.items():
        value = made.expression(f'{TEXT} package {{ name = "app", install = "true", libs = {libs} }}')
        args = derivation.decode(made.derivations[made.derivation_of(value)[0]]).args
        assert ("linker" in args, "libs" in args, "-rpath" in str(args["env"])) == (has, has, False)
        assert "replacing" not in args


@pytest.mark.parametrize(
    ("fields", "replacing"),
    [
        ("libs = [z, debian.dash]", ["z-0"]),
        ("libs = [z], tools = [debian.sudo]", ["z-0"]),
        ("libs = [z, other], tools = [debian.dash]", ["z-0"]),
        ("libs = [other, debian.dash]", None),
    ],
)
def test_a_build_knows_which_libraries_replace_debians(
    tmp_path: Path, cache: Path, fields: str, replacing: list[str] | None
) -> None:
    made = Evaluator(root=tmp_path, cache=cache, packages=Everything(), sources=Files(), settings={"arch": "amd64"})
    value = made.expression(f'{TEXT} package {{ name = "app", install = "true", {fields} }}')
    args: Any = derivation.decode(made.derivations[made.derivation_of(value)[0]]).args
    found = [str(path).partition("-")[2] for path in args.get("replacing", ())]
    assert (found or None) == replacing
