"""A layout that a killed command left unfinished: the same command finishes it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.export.layout_directory import export_layout
from fpack.builders.oci import spec
from fpack.builders.streams.output_file import ExportError

DATA = [b"one", b"two" * 1000]
CALLS = ("mkdir", "open", "rename", "fsync")


class SmallImage:
    """An image of two blobs."""

    index_json = docker_json = b'{"manifests":[]}'
    blobs = {spec.blob_path(spec.describe("", data).digest): data for data in DATA}

    def result(self, out: Path | None) -> dict[str, Any]:
        return {}


def export_until(out: Path, call: str, number: int) -> bool:
    """Export in another process, which is killed before the call with this number. Return whether it was killed."""
    child = os.fork()
    if not child:
        count, real = 0, getattr(os, call)

        def killed(*args: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count == number:
                os._exit(9)
            return real(*args, **options)

        setattr(os, call, killed)
        try:
            export_layout(SmallImage(), out, lambda: {"fpack-a.json": b"{}"})
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


@pytest.mark.parametrize("call", CALLS)
def test_the_layout_of_a_killed_command_is_finished_by_the_next_one(tmp_path: Path, call: str) -> None:
    number = 1
    while export_until(out := tmp_path / str(number), call, number):
        export_layout(SmallImage(), out, lambda: {"fpack-a.json": b"{}"})
        found = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
        assert found == {"oci-layout", "index.json", "fpack-a.json", *SmallImage.blobs}, number
        number += 1
    assert number > 2


def test_a_directory_of_other_files_is_no_unfinished_layout(tmp_path: Path) -> None:
    (tmp_path / "blobs/sha256").mkdir(parents=True)
    (tmp_path / "blobs/sha256/notes").write_text("precious")
    with pytest.raises(ExportError, match="not an OCI layout"):
        export_layout(SmallImage(), tmp_path)
    assert (tmp_path / "blobs/sha256/notes").read_text() == "precious"
