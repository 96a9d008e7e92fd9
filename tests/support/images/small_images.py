"""Slices, roots and images for tests, made by the real builders in a fake store, from a few lines each."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fpack.builders.export import layout_directory, oci
from fpack.builders.kinds.files import FilesBuilder
from fpack.builders.kinds.image import ImageBuilder
from fpack.builders.kinds.layer import LayerBuilder
from fpack.builders.payload import elf, meta
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.streams.codecs import codec
from fpack.store.derivation import Derivation, Output
from fpack.store.files.checked_tree import CheckedTree
from fpack.store.files.writer import TreeWriter
from fpack.store.path import StorePath
from support.stores.task import FakeStore

PASSWD = "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1::/:/usr/sbin/nologin\napp:x:999:998::/home/app:/bin/sh\n"
POSTINST = hashlib.sha256(b"#!/bin/sh\n").hexdigest()
GROUP = "root:x:0:\ndaemon:x:1:\napp:x:998:\nstaff:x:50:\n"


class Node(NamedTuple):
    """An entry that `make_table` writes at a path."""

    content: bytes = b""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    kind: str = meta.FILE
    target: str = ""


def link(target: str) -> Node:
    """Return a symlink."""
    return Node(kind=meta.SYMLINK, mode=0o777, target=target)


def folder(mode: int = 0o755, uid: int = 0, gid: int = 0) -> Node:
    """Return a directory that its table names."""
    return Node(kind=meta.DIRECTORY, mode=mode, uid=uid, gid=gid)


def program(content: bytes = b"\x7fELF program") -> Node:
    """Return an executable file."""
    return Node(content, 0o755)


Tree = Mapping[str, Node | bytes]


def make_table(store: FakeStore, name: str, tree: Tree, extra: Mapping[str, Any] | None = None) -> StorePath:
    """Add an output of `data` and `meta` to a store."""
    writer = TreeWriter(store.pool, store.fresh())
    writer.mkdir("data")
    entries = []
    for path, value in tree.items():
        node = value if isinstance(value, Node) else Node(value)
        facts = elf.script_facts(node.content) if node.kind == meta.FILE and node.content.startswith(b"#!") else None
        entry = TreeEntry(path, node.kind, node.mode, node.uid, node.gid, target=node.target, facts=facts)
        if node.kind == meta.FILE:
            file = writer.file(f"data/{path}", [node.content], entry.executable)
            sha256 = hashlib.sha256(node.content).digest()
            entry = entry._replace(size=file.size, blake3=file.digest, sha256=sha256)
        elif node.kind == meta.SYMLINK:
            writer.symlink(f"data/{path}", node.target)
        else:
            writer.mkdir(f"data/{path}")
        entries.append(entry)
    writer.file("meta", [meta.encode(entries, extra)])
    return store.add(name, writer)


def configured(
    store: FakeStore,
    tree: Mapping[str, tuple[str, Node | bytes]],
    *,
    replaced: Sequence[str] = (),
    removed: Mapping[str, str] = {},
    users: Sequence[Mapping[str, Any]] = (),
    groups: Sequence[Mapping[str, Any]] = (),
    **extra: Any,
) -> StorePath:
    """Add an output in the form of `configure`. tree: for each path, the package whose postinst made it, and a node."""
    about = {
        "configured": [[path.encode(), package, "postinst", POSTINST] for path, (package, _) in sorted(tree.items())],
        "replaced": [path.encode() for path in sorted(replaced)],
        "removed": [[path.encode(), package, "postinst"] for path, package in sorted(removed.items())],
        "setuid": [],
        "unstable": [],
        "users": list(users),
        "groups": list(groups),
    }
    nodes = {path: node for path, (_, node) in tree.items()}
    return make_table(store, "app-configured", nodes, {**about, **extra})


class Workshop:
    """A fake store with the builders that make images."""

    def __init__(self, root: Path) -> None:
        self.store = FakeStore(root)

    def disk(self, path: StorePath | str) -> Path:
        """Return the path on disk of a store path."""
        return self.store.disk(path)

    def tree(self, path: StorePath | str) -> CheckedTree:
        """Return a reader of a store path."""
        return self.store.tree(path)

    def table(self, name: str, tree: Tree, extra: Mapping[str, Any] | None = None) -> StorePath:
        """Return an output of `data` and `meta`."""
        return make_table(self.store, name, tree, extra)

    def plain(self, name: str, tree: Mapping[str, bytes | Node]) -> StorePath:
        """Return a plain store path, a directory."""
        writer = TreeWriter(self.store.pool, self.store.fresh())
        for path, value in tree.items():
            node = value if isinstance(value, Node) else Node(value)
            if node.kind == meta.SYMLINK:
                writer.symlink(path, node.target)
            elif node.kind == meta.DIRECTORY:
                writer.mkdir(path)
            else:
                writer.file(path, [node.content], bool(node.mode & 0o100))
        return self.store.add(name, writer)

    def root(
        self, slices: Mapping[str, Tree], generated: Tree | None = None, name: str = "root", **extra: Any
    ) -> StorePath:
        """Return a root of slices by package name. `extra` goes over what the root says of itself."""
        records, programs = [], {}
        for package, tree in slices.items():
            path = self.table(f"{package}-1.0", tree, {"package": package, "version": "1.0"})
            reason = {"kind": "seed", "file": "", "what": ""}
            records.append({"package": package, "version": "1.0", "path": str(path), "by": None, "reason": reason})
            found = sorted(f"/{p}" for p in tree if p.startswith(("usr/bin/", "usr/sbin/")))
            named = [p for p in found if p.endswith(f"/{package}")]
            main = (named or found)[0] if named or len(found) == 1 else None
            programs[package] = {"program": main, "executables": found}
        if generated is None:
            generated = {"etc/passwd": PASSWD.encode(), "etc/group": GROUP.encode(), "tmp": folder(0o1777)}
        about = {"slices": records, "users": [], "groups": [], "programs": programs, "excluded": []}
        return self.table(name, generated, {**about, **extra})

    def files(self, *entries: Mapping[str, Any]) -> StorePath:
        """Extra files: `path` and what differs from an empty text of root's."""
        full = []
        for entry in entries:
            kind = entry.get("kind", "file")
            mode = {"file": 0o644, "directory": 0o755}.get(kind, 0o777)
            text = {"text": ""} if kind == "file" and "source" not in entry else {}
            full.append({"kind": kind, "mode": mode, "uid": 0, "gid": 0, **text, **entry})
        return self.store.build(FilesBuilder(), "files", {"entries": full})

    def layer(self, parts: Sequence[Any], compress: str = "none", name: str = "layer", **args: Any) -> StorePath:
        """Return a layer. A part is a path with a table, (path, prefix), or a record."""
        full = []
        for part in parts:
            if isinstance(part, StorePath):
                part = {"path": str(part), "prefix": ""}
            elif isinstance(part, tuple):
                part = {"path": str(part[0]), "prefix": part[1]}
            full.append(part)
        return self.store.build(LayerBuilder(), name, {"parts": full, "codec": codec(compress), **args})

    def image(
        self,
        root: StorePath | None,
        config: Mapping[str, Any] | None = None,
        *,
        files: StorePath | None = None,
        paths: Sequence[StorePath] = (),
        compress: str = "zstd:3",
        **args: Any,
    ) -> StorePath:
        """Return an image, with its layers."""
        full = {
            "name": "test",
            "tag": "latest",
            "root": str(root) if root else None,
            "files": str(files) if files else None,
            "paths": [str(p) for p in paths],
            "config": dict(config or {}),
            "program": None,
            "codec": codec(compress),
            "arch": "amd64",
            "max_layers": 100,
            **args,
        }
        return self.store.build(ImageBuilder(), "image", full, answer=self._answer)

    def _answer(self, wanted: Output | Derivation) -> StorePath:
        assert isinstance(wanted, Derivation) and wanted.kind == "layer"
        wanted.encode()
        return self.store.build(LayerBuilder(), wanted.name, wanted.args)

    def bundle(self, *images: StorePath) -> oci.Bundle:
        """Images as one, each for a platform."""
        return oci.Bundle([self.tree(image) for image in images], self.tree)

    def tar(self, image: StorePath | Sequence[StorePath], out: Path, **options: Any) -> dict[str, Any]:
        """Export an image, or several as one, as a tar."""
        images = [image] if isinstance(image, StorePath) else image
        return oci.export_tar(self.bundle(*images), out, **options)

    def layout(self, image: StorePath | Sequence[StorePath], out: Path, **options: Any) -> dict[str, Any]:
        """Export an image, or several as one, as a layout."""
        images = [image] if isinstance(image, StorePath) else image
        return layout_directory.export_layout(self.bundle(*images), out, **options)


def read_tar(data: bytes) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    """Return each entry of an uncompressed tar and its content, by path; each path is there once."""
    found: dict[str, tuple[tarfile.TarInfo, bytes]] = {}
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for info in archive:
            assert info.name not in found, info.name
            file = archive.extractfile(info) if info.isfile() else None
            found[info.name] = (info, file.read() if file else b"")
    return found


def unpacked(blob: bytes) -> bytes:
    """Return the tar in a layer's blob, unpacked by the command-line tool of its codec."""
    command = {b"\x28\xb5\x2f\xfd": ["zstd", "-dc"], b"\x1f\x8b\x08": ["gzip", "-dc"]}
    for magic, tool in command.items():
        if blob.startswith(magic):
            if not shutil.which(tool[0]):
                pytest.skip(f"{tool[0]} is not installed")
            return subprocess.run(tool, input=blob, capture_output=True, check=True).stdout
    return blob


def walk(layout: Path) -> dict[str, Any]:
    """Check a layout from its index down, every digest and size, by nothing of fpack's. The documents and layers.

    Every blob must be one that the index leads to, and the diff_ids must be those of the layers.
    """
    assert json.loads((layout / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    seen: set[str] = set()

    def blob(descriptor: Mapping[str, Any]) -> bytes:
        algorithm, _, digits = descriptor["digest"].partition(":")
        data: bytes = (layout / "blobs" / algorithm / digits).read_bytes()
        assert algorithm == "sha256" and hashlib.sha256(data).hexdigest() == digits
        assert len(data) == descriptor["size"]
        seen.add(digits)
        return data

    index = json.loads((layout / "index.json").read_bytes())
    (entry,) = index["manifests"]
    manifest = json.loads(blob(entry))
    config = json.loads(blob(manifest["config"]))
    blobs = [blob(layer) for layer in manifest["layers"]]
    tars = [unpacked(data) for data in blobs]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(data).hexdigest()}" for data in tars]
    assert len(config["history"]) == len(tars)
    assert seen == {place.name for place in (layout / "blobs" / "sha256").iterdir()}
    return {"index": index, "manifest": manifest, "config": config, "layers": [read_tar(data) for data in tars]}


_SOURCE = r"""
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
int main(int argc, char **argv) {
    struct stat s;
    printf("uid %d gid %d\n", (int)getuid(), (int)getgid());
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '$') printf("%s=%s\n", argv[i] + 1, getenv(argv[i] + 1) ? getenv(argv[i] + 1) : "");
        else if (lstat(argv[i], &s)) printf("%s: absent\n", argv[i]);
        else printf("%s: %o %d:%d %lld\n", argv[i], (unsigned)s.st_mode, (int)s.st_uid, (int)s.st_gid,
                    (long long)s.st_mtime);
    }
    return 0;
}
"""


@functools.cache
def static_program() -> bytes:
    """Return a static program that prints its uid and gid, and the mode, owner and time of each path it is given.

    An argument `$NAME` prints that variable. The test is skipped where nothing can be compiled.
    """
    compiler = shutil.which("gcc") or shutil.which("cc")
    if not compiler:
        pytest.skip("gcc is not installed")
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch, "show")
        command = [compiler, "-static", "-Os", "-s", "-x", "c", "-", "-o", str(out)]
        made = subprocess.run(command, input=_SOURCE.encode(), capture_output=True, check=False)
        if made.returncode:
            pytest.skip(f"a static program cannot be linked here: {made.stderr.decode()[-200:]}")
        return out.read_bytes()
