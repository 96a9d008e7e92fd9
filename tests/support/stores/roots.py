"""Roots in a real store, made of slices that a test writes, without a package or an archive."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from blake3 import blake3
from fpack.builders.payload import meta
from fpack.builders.payload.meta import TreeEntry
from fpack.store.derivation import Output
from fpack.store.path import StorePath
from fpack.store.store import Store

Content = bytes | str  # a file's bytes (a program if they begin as one), or a symlink's target


def add_tree(store: Store, name: str, files: Mapping[str, Content], references: Sequence[StorePath] = ()) -> StorePath:
    """Return a store path with these files; "" alone is a path that is a file."""
    writer = store.writer()
    if "" not in files:
        writer.mkdir("")
    for path, content in files.items():
        if isinstance(content, str):
            writer.symlink(path, content)
        else:
            writer.file(path, [content], _is_program(content))
    key = os.urandom(20)
    return store.register(name, writer, references, key, Output(key))


def add_slice(store: Store, package: str, files: Mapping[str, Content]) -> StorePath:
    """Return an output of the shape of a slice's."""
    return add_tree(
        store,
        package,
        {
            "meta": meta.encode(_entries(files), {"package": package, "version": "1", "arch": "amd64"}),
            **{f"data/{path}": content for path, content in files.items()},
        },
    )


def add_root(
    store: Store,
    slices: Mapping[str, StorePath],
    files: Mapping[str, Content] | None = None,
    excluded: Sequence[tuple[str, str]] = (),
    configure: tuple[StorePath, Sequence[str]] | None = None,
) -> StorePath:
    """Return an output of the shape of a root's, with generated `files`.

    configure: the output with what scripts made, and the paths that are left out of it.
    """
    files = {"etc/passwd": b"root:x:0:0::/root:/bin/sh\n", "etc/group": b"root:x:0:\n", **(files or {})}
    listed = [
        {"package": name, "version": "1", "path": str(path), "by": None,
         "reason": {"kind": "seed", "file": "", "what": ""}}
        for name, path in slices.items()
    ]  # fmt: skip
    extra = {"slices": listed, "users": [], "groups": [], "programs": {}, "excluded": [list(e) for e in excluded]}
    if configure is not None:
        extra["configure"] = {"path": str(configure[0]), "left_out": [path.encode() for path in configure[1]]}
    content = {
        "meta": meta.encode(_entries(files), extra),
        **{f"data/{path}": text for path, text in files.items()},
    }
    return add_tree(store, "root", content, [*slices.values(), *([configure[0]] if configure else [])])


def host_programs(*programs: str) -> dict[str, Content]:
    """Programs of this machine, by absolute path or name, at usr/bin, with the libraries that they load."""
    paths = [shutil.which(program) or program for program in programs]
    return dict(_files_of(tuple((path, os.stat(path).st_mtime_ns) for path in paths)))


@functools.lru_cache(maxsize=16)
def _files_of(programs: tuple[tuple[str, int], ...]) -> dict[str, Content]:
    """Return the files of programs, by path and time of change, for `host_programs`."""
    paths = [path for path, _ in programs]
    files: dict[str, Content] = {
        f"usr/bin/{os.path.basename(path)}": Path(path).resolve().read_bytes() for path in paths
    }
    listed = subprocess.run(["ldd", *paths], capture_output=True, text=True, check=False).stdout
    for library in {word for word in listed.split() if word.startswith("/") and not word.endswith(":")}:
        files[f"usr{library.removeprefix('/usr')}"] = Path(library).resolve().read_bytes()
    return files


MERGED: dict[str, Content] = {f: f"usr/{f}" for f in ("bin", "sbin", "lib", "lib64")}


def _entries(files: Mapping[str, Content]) -> list[TreeEntry]:
    found = []
    for path, content in files.items():
        if isinstance(content, str):
            found.append(TreeEntry(path, meta.SYMLINK, 0o777, target=content))
        else:
            digest = blake3(content).digest()
            mode = 0o755 if _is_program(content) else 0o644
            found.append(TreeEntry(path, meta.FILE, mode, size=len(content), blake3=digest, sha256=digest))
    return found


def _is_program(content: bytes) -> bool:
    return content.startswith((b"#!", b"\x7fELF"))
