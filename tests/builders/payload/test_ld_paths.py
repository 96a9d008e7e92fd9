"""Test the directories that the loader searches: the defaults of architectures and ld.so.conf.d files."""

from __future__ import annotations

from pathlib import Path

import pytest
from fpack.builders.payload.ld_paths import configured_directories, default_directories
from fpack.builders.payload.machines import MACHINES
from fpack.store.errors import StoreError


@pytest.mark.parametrize("arch", MACHINES)
def test_default_directories(arch: str) -> None:
    assert default_directories(arch) == (f"usr/lib/{MACHINES[arch].triplet}", "usr/lib", "usr/lib64")


def test_configured_directories(tmp_path: Path) -> None:
    (tmp_path / "x.conf").write_text(
        "# comment\n/usr/local/lib # another\n\n/lib/x/\n/opt/a..b\n/opt/../etc\ninclude /etc/*.conf\n/opt/..\n"
    )
    assert list(configured_directories(tmp_path / "x.conf")) == ["usr/local/lib", "usr/lib/x", "opt/a..b"]


def test_a_symlink_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("/opt/lib\n")
    (tmp_path / "x.conf").symlink_to("real")
    with pytest.raises(StoreError):
        list(configured_directories(tmp_path / "x.conf"))
