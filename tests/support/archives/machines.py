"""A small distribution for several architectures, of ELF files that cannot run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.archives.archive import Archive, file, link
from support.archives.packages import ESSENTIAL
from support.stores.elves import elf

MACHINES = {"amd64": (62, "x86_64-linux-gnu", "/lib64/ld-linux-x86-64.so.2"),
            "arm64": (183, "aarch64-linux-gnu", "/lib/ld-linux-aarch64.so.1")}  # fmt: skip


def small_world(folder: Path, archs: tuple[str, ...] = ("amd64", "arm64")) -> Archive:
    """Return a program that loads a library that loads another, with a C library, for each architecture."""
    archive = Archive(folder, archs=archs)
    for arch in archs:
        machine, triplet, loader = MACHINES[arch]
        lib = f"usr/lib/{triplet}"
        base = {"etc/debian_version": "13.1\n", "usr/lib/os-release": "ID=debian\n",
                "etc/os-release": link("../usr/lib/os-release"), "bin": link("usr/bin"),
                "lib": link("usr/lib"), "sbin": link("usr/sbin"), "usr/bin/.keep": ""}  # fmt: skip
        loader_file = f"{lib}/{loader.rpartition('/')[2]}"
        libc: dict[str, Any] = {
            f"{lib}/libc.so.6": file(elf(soname="libc.so.6", machine=machine), 0o755),
            loader_file: file(elf(soname=loader.rpartition("/")[2], machine=machine), 0o755),
        }
        if arch == "amd64":
            base["lib64"] = link("usr/lib64")
            libc["usr/lib64/ld-linux-x86-64.so.2"] = link("../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
        else:
            libc["usr/lib/ld-linux-aarch64.so.1"] = link("aarch64-linux-gnu/ld-linux-aarch64.so.1")
        archive.add("base-files", arch=arch, files=base)
        archive.add("libc6", arch=arch, files=libc)
        archive.add(
            "libgreet1",
            arch=arch,
            depends="libc6, libwords2",
            files={
                f"{lib}/libgreet.so.1": elf(
                    "libwords.so.2", "libc.so.6", soname="libgreet.so.1", runpath="$ORIGIN/words", machine=machine
                )
            },
        )
        archive.add(
            "libwords2",
            arch=arch,
            depends="libc6",
            files={f"{lib}/words/libwords.so.2": elf("libc.so.6", soname="libwords.so.2", machine=machine)},
        )  # fmt: skip
        archive.add(
            "greet",
            arch=arch,
            depends="libgreet1, libwords2, greet-data",
            files={
                "usr/bin/greet": file(elf("libgreet.so.1", "libc.so.6", interp=loader, machine=machine, kind=2), 0o755),
            },
        )
    add_essential(archive)
    archive.add("greet-data", arch="all", files={"usr/share/greet/words": "good day\n" * 5000})
    archive.add("wave", arch="all", depends="greet-data", files={"usr/bin/wave": file("wave\n", 0o755)})
    archive.publish()
    return archive


def add_essential(archive: Archive) -> None:
    """Add what packages need not declare that they need."""
    for name in ESSENTIAL:
        if name != "libc-bin":
            archive.add(name, arch="all", files={f"usr/bin/{name}": file("a program of every system", 0o755)})
    archive.add("libc-bin", arch="all", files={"usr/lib/locale/C.utf8/LC_CTYPE": "UTF-8"})
