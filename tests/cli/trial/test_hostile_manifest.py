"""Test what `fpack try` reads of the manifest in an image, which may be an attacker's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from fpack.cli.trial import closure, subject
from fpack.store.derivation import Derivation, Output, digest, placeholder


@pytest.mark.parametrize("name", ["../../../tmp/x", "", "warty", "trixie/..", None, 1, ["trixie"], {}])
def test_a_release_that_fpack_does_not_know_is_none(name: object) -> None:
    assert subject._release(name) == ""
    assert subject._release("trixie") == "trixie"


def found(
    item: dict[str, Any], rule: dict[str, Any], kind: str = "deb"
) -> tuple[list[closure.ClosurePackage], list[Output]]:
    """Return the packages of an image by its manifest, and the outputs that were looked for in the store."""
    payload = Derivation(kind, "tool", {})
    output = Output(digest(payload.encode()))
    path = str(placeholder(output.derivation, "tool", output.name))
    slice_ = Derivation("slice", "tool", {"payload": path, **rule}, (output,))
    own = Output(digest(slice_.encode()))
    row = {"package": "tool", "slice": str(placeholder(own.derivation, "tool", own.name)), **item}
    root = Derivation("root", "root", {"slices": [row]}, (own,))
    asked: list[Output] = []
    store: Any = SimpleNamespace(database=SimpleNamespace(built=asked.append))
    reader: Any = SimpleNamespace(
        head=SimpleNamespace(paths=[SimpleNamespace(package="tool")]),
        derivations={drv.hex(): body for drv, body in ((output.derivation, payload), (own.derivation, slice_))},
    )
    return closure.packages_of(store, root, reader), asked


def test_packages_are_those_of_the_manifest() -> None:
    (package,), asked = found({}, {"keep": ["/usr/bin/**"], "drop": ["/usr/share"]})
    assert package[:4] == ("tool", True, ("/usr/bin/**",), ("/usr/share",))
    assert len(asked) == 1


@pytest.mark.parametrize("item", [{"package": []}, {"package": 1}, {"slice": {}}])
def test_a_malformed_root_gives_no_packages(item: dict[str, Any]) -> None:
    assert found(item, {})[0] == []


@pytest.mark.parametrize("rule", [{"keep": 1}, {"keep": [1]}, {"drop": ["no glob"]}, {"drop": "abc"}, {"payload": []}])
def test_a_malformed_slice_gives_no_packages(rule: dict[str, Any]) -> None:
    assert found({}, rule)[0] == []


def test_only_a_package_is_read_as_one() -> None:
    assert found({}, {}, kind="fetch")[1] == []
