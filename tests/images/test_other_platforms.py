"""Images for another architecture than this machine's. Nothing of them can be run here, so their files are examined.

Every ELF file must be of that architecture. The libraries that it loads must be in the image where that architecture's
loader looks; the search for them here shares no code with fpack.
"""

from __future__ import annotations

import io
import posixpath
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile

pytestmark = pytest.mark.network

MACHINES = {
    "arm64": ("EM_AARCH64", "aarch64-linux-gnu", "/lib/ld-linux-aarch64.so.1"),
    "amd64": ("EM_X86_64", "x86_64-linux-gnu", "/lib64/ld-linux-x86-64.so.2"),
}


class RootFs:
    """An image's file system, from a plain tar: its symlinks, its ELF files, and all paths."""

    def __init__(self, tar: Path) -> None:
        self.links: dict[str, str] = {}
        self.elves: dict[str, bytes] = {}
        self.paths: set[str] = set()
        with tarfile.open(tar) as opened:
            for member in opened:
                self.paths.add(member.name)
                if member.issym():
                    self.links[member.name] = member.linkname
                elif member.isfile() and member.size:
                    file = opened.extractfile(member)
                    assert file is not None
                    if file.read(4) == b"\x7fELF":
                        file.seek(0)
                        self.elves[member.name] = file.read()

    def resolve(self, path: str) -> str | None:
        """Return the file or directory that a path leads to, or None."""
        todo, done = [part for part in path.split("/") if part not in ("", ".")], ""
        for _ in range(200):  # a loop of symlinks ends
            if not todo:
                return done if done in self.paths else None
            part = todo.pop(0)
            done = posixpath.dirname(done) if part == ".." else posixpath.join(done, part)
            if done in self.links:
                target = self.links[done]
                done = "" if target.startswith("/") else posixpath.dirname(done)
                todo = [p for p in target.split("/") if p not in ("", ".")] + todo
        return None


def unresolved(path: str, data: bytes, found: RootFs, machine: str, triplet: str) -> list[str]:
    """Return a line for each library and interpreter that an ELF file names and the image does not have."""
    elf = ELFFile(io.BytesIO(data))
    assert elf["e_machine"] == machine, f"{path} is for {elf['e_machine']}"
    interpreter = next((s.get_interp_name() for s in elf.iter_segments("PT_INTERP")), None)
    missing = [f"{path}: {interpreter}"] if interpreter and found.resolve(interpreter) not in found.elves else []
    dynamic = next(iter(elf.iter_segments("PT_DYNAMIC")), None)
    if dynamic is None:
        return missing
    tags = list(dynamic.iter_tags())
    search = [p for t in tags if t.entry.d_tag == "DT_RUNPATH" for p in t.runpath.split(":")]
    search += [p for t in tags if t.entry.d_tag == "DT_RPATH" for p in t.rpath.split(":")]
    origin = f"/{posixpath.dirname(path)}"
    search = [p.replace("$ORIGIN", origin).replace("${ORIGIN}", origin) for p in search]
    search += [f"/lib/{triplet}", f"/usr/lib/{triplet}", "/lib", "/usr/lib"]
    for tag in tags:
        if tag.entry.d_tag != "DT_NEEDED":
            continue
        name = tag.needed
        places = [name] if "/" in name else [f"{folder}/{name}" for folder in search]
        if not any(found.resolve(place) in found.elves for place in places):
            missing.append(f"{path}: {name}")
    return missing


@pytest.mark.parametrize(
    ("what", "arch"),
    [
        ("postgres", "arm64"),
        ("redis", "arm64"),
        ("redis", "amd64"),
        ("debian.trixie.redis-server", "arm64"),
        ("debian.trixie.python3", "arm64"),
    ],
)
def test_everything_that_it_loads_is_in_it(fpack: Callable[..., Any], tmp_path: Path, what: str, arch: str) -> None:
    tar = tmp_path / "root.tar"
    result = fpack("pack", what, "--platform", f"linux/{arch}", "--format", "rootfs-tar", "-o", tar)
    assert result["platform"] == f"linux/{arch}"
    machine, triplet, loader = MACHINES[arch]
    found = RootFs(tar)
    assert len(found.elves) > 3
    assert found.resolve(loader) in found.elves
    # The directories of other architectures are not there.
    others = tuple(f"usr/lib/{other}/" for name, (_, other, _) in MACHINES.items() if name != arch)
    assert not [path for path in found.paths if path.startswith(others)]
    assert ("lib64" in found.paths) == loader.startswith("/lib64")

    def missing() -> list[str]:
        return [line for path, data in found.elves.items() for line in unresolved(path, data, found, machine, triplet)]

    assert missing() == []
    # The search itself is tried: it reports a library that is removed.
    del found.elves[found.resolve(f"/usr/lib/{triplet}/libc.so.6") or ""]
    assert [line for line in missing() if line.endswith(": libc.so.6")]
