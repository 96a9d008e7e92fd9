"""Reading package.json files of a project: an error names the file."""

from __future__ import annotations

import pytest
from fpack.builders.node.manifest import read_members

TOP = '{"name": "top", "workspaces": ["packages/*"]}'


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"package.json": '{"name":'}, "package.json is not valid JSON: "),
        ({"package.json": "[]"}, "package.json is not a JSON object"),
        ({"package.json": TOP, "packages/a/package.json": "3"}, "packages/a/package.json is not a JSON object"),
        ({"package.json": TOP, "packages/a/package.json": "x"}, "packages/a/package.json is not valid JSON: "),
        ({"package.json": "[" * 100_000}, "package.json is nested too deeply"),
    ],
)
def test_an_error_names_the_file(files: dict[str, str], why: str) -> None:
    folders = {"": ["packages"], "packages": ["a"]}
    with pytest.raises(ValueError) as error:
        read_members(files.get, lambda at: folders.get(at, []))
    assert str(error.value).startswith(why)
