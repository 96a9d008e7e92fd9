"""Settings and files of a container that name a path in a package's payload, which no image has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from fpack.builders.protocol import BuildError
from fpack.store import canonical
from fpack.store.path import StorePath
from support.images.small_images import Node, Workshop, link, program

ROOT = {"base-files": {"etc/os-release": b"ID=debian\n"}, "app": {"usr/bin/app": program()}}


@pytest.fixture
def payload(shop: Workshop) -> StorePath:
    tree = {"usr/bin/jq": program(), "usr/include/jq.h": b""}
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


SCRIPT = b"#!/bin/sh\nexec %s/data/usr/bin/jq\n"


def built(shop: Workshop, payload: StorePath, tree: Mapping[str, bytes | Node]) -> StorePath:
    """Return a built path that references a payload, in whose files `%s` is its path."""
    nodes = {name: value if isinstance(value, Node) else Node(value) for name, value in tree.items()}
    text = str(payload)
    named = {
        name: node._replace(content=node.content.replace(b"%s", text.encode()), target=node.target.replace("%s", text))
        for name, node in nodes.items()
    }
    path = shop.plain("tool-1", named)
    shop.store.references[path] = [payload]
    return path


def notes_of(shop: Workshop, image: StorePath) -> list[str]:
    notes: list[str] = canonical.decode((shop.disk(image) / "image").read_bytes())["notes"]
    return notes


SURE: dict[str, dict[str, bytes | Node]] = {
    "script": {"bin/t": program(SCRIPT)},
    "script below": {"lib/tool/t": program(b"#!/usr/bin/python3\nrun('%s/data/usr/bin/jq')\n")},
    "shebang": {"bin/t": program(b"#!%s/data/usr/bin/jq -f\n.\n")},
    "symlink": {"bin/t": link("%s/data/usr/bin/jq")},
    "symlink to a directory": {"bin": link("%s/data/usr/bin")},
}
MAYBE: dict[str, tuple[dict[str, bytes | Node], int]] = {
    "module": ({"lib/t.py": b"JQ = '%s/data/usr/bin/jq'"}, 1),
    "program": ({"bin/t": program(b"\x7fELF\0%s/data/usr/bin/jq\0")}, 1),
    "header": ({"bin/t": program(b"\x7fELF\0%s/data/usr/include/jq.h\0")}, 0),
    "comment": ({"bin/t": program(b"#!/bin/sh\ntrue # made with %s/data/usr/bin/jq\n")}, 0),
    "directory": ({"bin/t": program(b"#!/bin/sh\nPATH=%s/data/usr/bin:$PATH jq\n")}, 0),
    "no such file": ({"bin/t": program(b"#!/bin/sh\n%s/data/usr/bin/other\n")}, 0),
    "linked": ({"bin/t": program(b"#!/bin/sh\n")}, 0),
}


@pytest.mark.parametrize("tree", SURE.values(), ids=SURE)
def test_a_built_file_that_needs_one_is_refused(
    shop: Workshop, payload: StorePath, tree: dict[str, bytes | Node]
) -> None:
    tool = built(shop, payload, tree)
    for root in (ROOT, ROOT | {"jq": {"usr/bin/jq": program()}}):
        with pytest.raises(BuildError, match="^tool-1 names .* at a path that the image does not have") as error:
            shop.image(shop.root(root), {}, paths=[tool])
        assert error.value.where.startswith(f"{tool}/") and "list jq in `runtime` of tool-1" in error.value.hint


@pytest.mark.parametrize(("tree", "notes"), MAYBE.values(), ids=MAYBE)
def test_one_that_may_not_need_it_is_packed(
    shop: Workshop, payload: StorePath, tree: dict[str, bytes | Node], notes: int
) -> None:
    root = ROOT | {"dash": {"bin/sh": program()}}
    image = shop.image(shop.root(root), {}, paths=[built(shop, payload, tree)])
    found = [note for note in notes_of(shop, image) if "of jq in the store" in note]
    assert len(found) == notes
    present = shop.image(shop.root(root | {"jq": {"usr/bin/jq": program()}}), {}, paths=[built(shop, payload, tree)])
    assert not any("jq" in note for note in notes_of(shop, present))
