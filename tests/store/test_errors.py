"""Similar names: the likeliest first, none that resembles nothing, and never a known name twice."""

from __future__ import annotations

import pytest
from fpack.store.errors import did_you_mean, similar

KNOWN = ("postgres", "python", "static", "run-options", "runs")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("postgrs", ["postgres"]),
        ("Run_Options", ["run-options"]),
        ("urns", ["runs"]),
        ("nothing-alike", []),
        ("", []),
    ],
)
def test_a_misspelt_name_has_its_likeliest_name(name: str, found: list[str]) -> None:
    assert similar(name, KNOWN) == found
    assert did_you_mean(name, KNOWN) == (f"did you mean `{found[0]}`?" if found else "")


def test_several_names_are_offered_each_once() -> None:
    assert similar("lib1", ["lib2", "lib1", "lib3", "lib1"], 3)[0] == "lib1"
    assert did_you_mean("liba", ["lib2", "lib3"], 2) == "did you mean `lib3` or `lib2`?"
    assert len(similar("lib", [f"lib{i}" for i in range(9)], 3)) == 3
