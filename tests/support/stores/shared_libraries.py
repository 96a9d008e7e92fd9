"""Shared libraries and programs with symbols, compiled on this machine."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path


def compiled(
    place: Path, name: str, source: str, *, soname: str = "", versions: str = "", with_: Sequence[bytes] = ()
) -> bytes:
    """Return a file compiled from C: a library if it has a soname, else a program. with_: libraries to link with."""
    place.mkdir(parents=True, exist_ok=True)
    (place / "x.c").write_text(source)
    words = ["gcc", "-O1", "-nostdlib", "-o", str(place / name), str(place / "x.c"), "-Wl,--allow-shlib-undefined"]
    words += ["-shared", "-fPIC", f"-Wl,-soname,{soname}"] if soname else ["-Wl,-e,main"]
    if versions:
        (place / "x.map").write_text(versions)
        words.append(f"-Wl,--version-script={place / 'x.map'}")
    for number, library in enumerate(with_):
        (place / f"lib{number}.so").write_bytes(library)
        words.append(str(place / f"lib{number}.so"))
    subprocess.run(words, check=True, capture_output=True)
    return (place / name).read_bytes()
