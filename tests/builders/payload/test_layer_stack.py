"""The files of an image, computed from its layers: whiteouts, hard links, and paths that must not be written."""

from __future__ import annotations

import os

import pytest
from fpack.builders.payload import layer_stack
from fpack.builders.payload.layer_stack import LayerError, LayerStack
from fpack.builders.payload.meta import DIRECTORY, FILE, SYMLINK, TreeEntry

Members = dict[bytes, "str | int | None"]  # a symlink's target, a file's content, or a directory


def add(stack: LayerStack, members: Members) -> None:
    """Add a layer."""
    for path, what in members.items():
        if what is None:
            stack.add(path, TreeEntry("", DIRECTORY, 0o755))
        elif isinstance(what, str):
            stack.add(path, TreeEntry("", SYMLINK, 0o777, target=what))
        else:
            stack.add(path, TreeEntry("", FILE, 0o644), what)
    stack.finish()


def stacked(*layers: Members) -> Members:
    """Return the entries of the stack of layers."""
    stack = LayerStack()
    for members in layers:
        add(stack, members)
    found: Members = {}
    for file in stack.files():
        kind, path = file.entry.kind, os.fsencode(file.entry.path)
        found[path] = None if kind == DIRECTORY else file.entry.target if kind == SYMLINK else file.content
    return found


def test_an_upper_layer_replaces_files_and_adds_to_directories() -> None:
    lower: Members = {b"a": None, b"a/x": 1, b"a/y": 2, b"b/c/d": 3}
    assert stacked(lower, {b"a/x": 4, b"b/e": "c"}) == {
        b"a": None, b"a/x": 4, b"a/y": 2, b"b": None, b"b/c": None, b"b/c/d": 3, b"b/e": "c",
    }  # fmt: skip
    assert stacked(lower, {b"a": 5}) == {b"a": 5, b"b": None, b"b/c": None, b"b/c/d": 3}
    assert stacked({b"a": "b"}, {b"a": None, b"a/x": 1}) == {b"a": None, b"a/x": 1}


def test_a_path_may_begin_with_a_dot() -> None:
    assert stacked({b".": None, b"./a": 1}) == {b"a": 1}
    assert stacked({b"./": None, b"./a/b": 1}) == {b"a": None, b"a/b": 1}


def test_whiteouts_hide_only_lower_layers() -> None:
    lower: Members = {b"a/x": 1, b"a/y": 2, b"b": 3}
    assert stacked(lower, {b"a/.wh.x": 0, b".wh.b": 0}) == {b"a": None, b"a/y": 2}
    assert stacked(lower, {b"a/z": 9, b"a/.wh..wh..opq": 0}) == {b"a": None, b"a/z": 9, b"b": 3}
    assert stacked(lower, {b".wh.a": 0, b"a/x": 9}) == {b"a": None, b"a/x": 9, b"b": 3}
    assert stacked(lower, {b".wh.none": 0, b"none/.wh.x": 0, b"b/.wh.x": 0}) == {b"a": None, **lower}
    assert stacked(lower, {b".wh..wh..opq": 0}) == {}


@pytest.mark.parametrize(
    "path",
    [b"..", b"../x", b"a/../../x", b"a/..", b"/etc/passwd", b"a//b", b"a/./b", b"a/", b"a/.wh.x/y", b".wh.", b".wh...",
     b".wh..wh.plnk", b"a" * 256, b"a/" * 127 + b"ab/c", b"a\0b", b"././/x"],
)  # fmt: skip
def test_a_path_that_no_engine_should_write_is_refused(path: bytes) -> None:
    stack = LayerStack()
    with pytest.raises(LayerError):
        add(stack, {path: 1})


def test_nothing_is_put_below_a_symlink_or_a_file() -> None:
    for target in ("/etc", "../..", "b"):
        with pytest.raises(LayerError, match=r"cannot be unpacked.*symlink"):
            stacked({b"a": target}, {b"a/passwd": 1})
    with pytest.raises(LayerError, match="symlink"):
        stacked({b"a": "/etc", b"a/passwd": 1})
    with pytest.raises(LayerError, match="a file"):
        stacked({b"a": 1}, {b"a/b": 1})


def test_an_entry_that_occurs_twice_in_a_layer_is_refused() -> None:
    stack = LayerStack()
    add(stack, {b"a": 1})
    stack.add(b"a", TreeEntry("", FILE, 0o644), 2)
    with pytest.raises(LayerError, match="twice"):
        stack.add(b"./a", TreeEntry("", FILE, 0o644), 3)


def test_a_hard_link_is_to_a_file_of_the_image() -> None:
    stack = LayerStack()
    add(stack, {b"a/x": 1, b"l": "/etc/passwd"})
    stack.add(b"y", TreeEntry("", FILE, 0o4755, 7, 8, size=3), 2)
    stack.link(b"z", b"y")
    stack.link(b"b/x", b"./a/x")
    stack.finish()
    found = {file.entry.path: (file.content, file.entry.mode, file.entry.uid) for file in stack.files()}
    assert found["z"] == (2, 0o4755, 7) and found["b/x"] == (1, 0o644, 0)
    for target in (b"none", b"l", b"a", b"/a/x", b"../a/x", b"l/x"):
        with pytest.raises(LayerError):
            stack.link(b"q", target)


def test_entries_and_their_parents_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_stack, "MAX_ENTRIES", 100)
    with pytest.raises(LayerError, match="too many entries"):
        stacked({b"%d" % number: 1 for number in range(101)})
    with pytest.raises(LayerError, match="too many entries"):
        stacked({b"%d/" % number + b"/".join([b"x"] * 50): 1 for number in range(3)})
    monkeypatch.setattr(layer_stack, "MAX_TEXT", 10)
    with pytest.raises(LayerError, match="too many entries"):
        stacked({b"a": "b" * 10})


def test_directories_of_the_kernel_are_replaced() -> None:
    stack = LayerStack()
    add(stack, {b"proc": "/etc", b"dev/sda": 1})
    for name in ("proc", "dev"):
        stack.replace(name)
    assert {file.entry.path: file.entry.kind for file in stack.files()} == {"proc": DIRECTORY, "dev": DIRECTORY}
