"""The lines that a build's log gets of a program's output."""

from __future__ import annotations

import pytest
from fpack.builders.scheduler.build_log import OutputLines


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        ([b"one\ntwo\n"], ["one", "two"]),
        ([b"o", b"ne\nt", b"wo"], ["one", "two"]),
        ([b"10%\r50%\r100%\ndos\r\n"], ["100%", "dos"]),
        ([b"\xff\n\n"], ["\ufffd", ""]),
        ([b"x" * 9000, b"y\n"], ["x" * 8192, "y"]),
    ],
)
def test_output_is_split_into_lines(pieces: list[bytes], lines: list[str]) -> None:
    written: list[str] = []
    output = OutputLines(written.append, 2)
    for piece in pieces:
        output.feed(piece)
    output.end()
    assert written == lines
    assert list(output.last) == lines[-2:]


def test_a_title_begins_other_last_lines() -> None:
    written: list[str] = []
    output = OutputLines(written.append, 2)
    output.feed(b"one\n")
    output.begin("==> next")
    assert written == ["one", "==> next"] and list(output.last) == []
