"""Test that ldconfig reads the loader's cache."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from fpack.builders.rootfs.ld_so_cache import loader_cache

LDCONFIG = shutil.which("ldconfig", path="/usr/sbin:/sbin:/usr/bin:/bin")
LIBRARIES = {f"lib{name}.so.{number}": f"/opt/x/lib{name}.so.{number}" for name in "abz" for number in (1, 2, 10)}


@pytest.mark.skipif(LDCONFIG is None, reason="needs ldconfig")
def test_ldconfig_reads_it(tmp_path: Path) -> None:
    place = tmp_path / "ld.so.cache"
    content = loader_cache(LIBRARIES, "amd64")
    assert content is not None
    place.write_bytes(content)
    shown = subprocess.run([str(LDCONFIG), "-p", "-C", str(place)], capture_output=True, text=True, check=True).stdout
    lines = [line.split() for line in shown.splitlines() if "=>" in line]
    assert {line[0]: line[-1] for line in lines} == LIBRARIES
    assert all("(libc6,x86-64)" in " ".join(line) for line in lines)


def test_names_are_in_descending_order() -> None:
    """The loader uses binary search and compares digits as numbers."""
    content = loader_cache(LIBRARIES, "amd64")
    assert content is not None
    names = [part for part in content[48 + 24 * len(LIBRARIES) :].decode().split("\0") if part.startswith("lib")]
    assert names[:4] == ["libz.so.10", "libz.so.2", "libz.so.1", "libb.so.10"]
    assert len(names) == len(LIBRARIES)


def test_an_architecture_that_is_not_known() -> None:
    assert loader_cache(LIBRARIES, "vax") is None
