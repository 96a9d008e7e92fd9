"""Test the directories that the loader searches: the defaults of architectures and ld.so.conf.d files."""

from __future__ import annotations

import pytest
from fpack.builders.machines import MACHINES
from fpack.builders.payload.ld_paths import configured_directories, default_directories


@pytest.mark.parametrize("arch", MACHINES)
def test_default_directories(arch: str) -> None:
    assert default_directories(arch) == (f"usr/lib/{MACHINES[arch].triplet}", "usr/lib", "usr/lib64")


def test_configured_directories() -> None:
    content = b"# comment\n/usr/local/lib # another\n\n/lib/x/\n/opt/a..b\n/opt/../etc\ninclude /etc/*.conf\n/opt/..\n"
    assert list(configured_directories(content)) == ["usr/local/lib", "usr/lib/x", "opt/a..b"]
