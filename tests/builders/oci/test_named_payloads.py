"""Settings and files of a container that name a path in a package's payload, which no image has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fpack.builders.protocol import BuildError
from fpack.store.path import StorePath
from support.images.small_images import Workshop, program

ROOT = {"base-files": {"etc/os-release": b"ID=debian\n"}, "app": {"usr/bin/app": program()}}


@pytest.fixture
def payload(shop: Workshop) -> StorePath:
    tree = {"usr/bin/jq": program()}
    return shop.table("jq-1.7", tree, {"package": "jq", "version": "1.7", "arch": "amd64"})


@pytest.mark.parametrize(
    ("field", "config", "entry"),
    [
        ("env", lambda path: {"env": {"JQ": path}}, None),
        ("entrypoint", lambda path: {"entrypoint": [path]}, None),
        ("command", lambda path: {"entrypoint": ["/usr/bin/app"], "command": [f"--jq={path}"]}, None),
        ("healthcheck", lambda path: {"healthcheck": {"command": f"{path} ."}}, None),
        ("files", lambda path: {}, lambda path: {"path": "/srv/x", "text": f"#!/bin/sh\n{path} .\n"}),
        ("links", lambda path: {}, lambda path: {"path": "/srv/jq", "kind": "symlink", "target": path}),
    ],
)
def test_they_are_refused(
    shop: Workshop, payload: StorePath, field: str, config: Callable[[str], Any], entry: Callable[[str], Any] | None
) -> None:
    named = f"{payload}/data/usr/bin/jq"
    files = shop.files(entry(named)) if entry else None
    with pytest.raises(BuildError, match="names the files of jq at a path that the image does not have") as error:
        shop.image(shop.root(ROOT), config(named), files=files, paths=[payload])
    assert error.value.field == field and error.value.hint == "list jq in `packages`, and write /usr/bin/jq"


def test_a_payload_that_something_else_was_linked_with_is_none_of_it(shop: Workshop, payload: StorePath) -> None:
    tool = shop.plain("tool-1", {"bin/tool": program()})
    files = shop.files({"path": "/srv/x", "text": f"{tool}/bin/tool"})
    assert shop.image(shop.root(ROOT), {"env": {"TOOL": str(tool)}}, files=files, paths=[tool, payload])
