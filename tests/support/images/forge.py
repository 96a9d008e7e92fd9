"""Change an image together with the manifest in it, as an attacker would, so that both still agree.

forgery = Forgery(Path("greeter.tar"))
forgery.put("hello", node("usr/bin/evil", b"evil", mode=0o4755))
forgery.save(Path("evil.tar"))
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from blake3 import blake3
from fpack.builders.manifest.encoding import encode_entry, encode_head
from fpack.builders.manifest.format import DIRECTORY, FILE, SYMLINK, Blob, Claims, Head, ManifestEntry
from fpack.builders.manifest.reader import ManifestReader
from fpack.builders.verify import embedded_manifest
from fpack.builders.verify.findings import Report
from fpack.builders.verify.image_archive import open_archive
from fpack.store.derivation import Derivation
from support.images.tamper import Image, Layer, Node

_KINDS = {b"5": DIRECTORY, b"2": SYMLINK}
_ENTRIES = "entries"


def canonical(tar: Path) -> bytes:
    """Return the manifest that an image carries, in its canonical form."""
    archive = open_archive(tar, Report())
    try:
        (data,) = embedded_manifest.find(archive)
    finally:
        archive.close()
    return data


class Forgery:
    """An image, and the head, the derivations (by digest) and the entries (rows, by layer) of its manifest."""

    def __init__(self, tar: Path) -> None:
        reader = ManifestReader(canonical(tar))
        self.image = Image.load(tar)
        self.head: Head = reader.head
        self.derivations: dict[str, Derivation] = dict(reader.derivations)
        self.rows: list[list[ManifestEntry]] = [list(entries) for _, entries in reader.entries()]

    def layer(self, name: str) -> int:
        """Return the number of the layer of a package. "files": of the extra files. "root": of the generated files."""
        for number, layer in enumerate(self.head.layers):
            for path, _ in layer.parts:
                origin = next(row for row in self.head.paths if row.path == path)
                made = self.derivations.get(origin.derivation or "")
                if name == origin.package or (not origin.package and made is not None and made.kind == name):
                    return number
        raise KeyError(name)

    def put(self, layer: int | str, node: Node, part: int | None = 0, **entry: Any) -> None:
        """Add a member to a layer, and its entry to the manifest."""
        number = self.layer(layer) if isinstance(layer, str) else layer
        self.image.layers[number].members.append(node)
        self.rows[number].append(entry_of(node, part)._replace(**entry))

    def drop(self, path: str) -> None:
        """Remove a path from its layer and from the manifest."""
        for layer, rows in zip(self.image.layers, self.rows, strict=True):
            layer.members = [member for member in layer.members if member.path != path.encode()]
            rows[:] = [row for row in rows if row.path != path.encode()]

    def change(self, path: str, **changes: Any) -> None:
        """Change a member and its entry alike. Fields are those of `Node`."""
        for layer, rows in zip(self.image.layers, self.rows, strict=True):
            for number, member in enumerate(layer.members):
                if member.path == path.encode():
                    layer.members[number] = new = member._replace(**changes)
                    at = next(n for n, row in enumerate(rows) if row.path == path.encode())
                    rows[at] = entry_of(new, rows[at].part)._replace(origin=rows[at].origin)

    def entry(self, path: str, **changes: Any) -> None:
        """Change fields of a path's `ManifestEntry`, and not the layer."""
        for rows in self.rows:
            rows[:] = [row._replace(**changes) if row.path == path.encode() else row for row in rows]

    def append(self, nodes: list[Node], part: int | None = 0, like: str = "files") -> None:
        """Add a layer on top, of the same part as the layer `like`."""
        number = self.layer(like)
        self.image.layers.append(Layer([]))
        self.image.manifest["layers"].append({})
        self.image.config["history"].append(self.image.config["history"][number])
        self.head = self.head._replace(layers=(*self.head.layers, self.head.layers[number]))
        self.rows.append([])
        for node in nodes:
            self.put(len(self.rows) - 1, node, part)

    def derive(self, old: str, new: Derivation) -> str:
        """Replace a derivation, also where the head names it. Return the digest of the new one."""
        digest = blake3(new.encode()).digest(20).hex()
        del self.derivations[old]
        self.derivations[digest] = new
        paths = tuple(p._replace(derivation=digest) if p.derivation == old else p for p in self.head.paths)
        layers = tuple(la._replace(derivation=digest) if la.derivation == old else la for la in self.head.layers)
        self.head = self.head._replace(paths=paths, layers=layers)
        return digest

    def manifest(self, change: Callable[[Head], Head] = lambda head: head) -> bytes:
        """Return the manifest of the image as it is now."""
        for own, rows in zip(self.image.layers, self.rows, strict=True):
            own.members.sort(key=lambda member: member.path)
            rows.sort(key=lambda row: row.path)
        files = self.image.files()
        entry = json.loads(files["index.json"])["manifests"][0]
        manifest = json.loads(files["blobs/" + entry["digest"].replace(":", "/")])
        config = json.loads(files["blobs/" + manifest["config"]["digest"].replace(":", "/")])
        layers = []
        for layer, descriptor, diff_id, own, rows in zip(
            self.head.layers,
            manifest["layers"],
            config["rootfs"]["diff_ids"],
            self.image.layers,
            self.rows,
            strict=True,
        ):
            blob = Blob(layer.blob.media_type, descriptor["digest"], descriptor["size"])
            layers.append(layer._replace(blob=blob, diff_id=diff_id, tar=len(own.tar), entries=len(rows)))
        about = self.head.image._replace(
            manifest=Blob(entry["mediaType"], entry["digest"], entry["size"]),
            config=Blob(self.head.image.config.media_type, manifest["config"]["digest"], manifest["config"]["size"]),
            configuration=config,
        )
        head = self.head._replace(image=about, layers=tuple(layers), derivations=len(self.derivations))
        if head.claims is not None:
            head = head._replace(claims=self._claims(head))
        bodies = [self.derivations[digest].encode() for digest in sorted(self.derivations)]
        encoded = [encode_entry(row, head.format) for rows in self.rows for row in rows]
        return b"".join([encode_head(change(head)), *bodies, *encoded])

    def _claims(self, head: Head) -> Claims:
        """Return the entries, counted by what the manifest says of them."""
        packages = {place.path for place in head.paths if place.package}
        counts = dict.fromkeys(Claims._fields, 0)
        for layer, rows in zip(head.layers, self.rows, strict=True):
            for row in rows:
                if row.kind != DIRECTORY and row.part is not None:
                    path, prefix = layer.parts[row.part]
                    shipped = "package" if path in packages else "built" if prefix else "files"
                    counts[row.origin.kind if row.origin is not None else shipped] += 1
        return Claims(**counts)

    def save(self, tar: Path, change: Callable[[Head], Head] = lambda head: head) -> Path:
        """Write the image with its manifest. change: changes the head of the manifest at last."""
        self.image.carry(self.manifest(change))
        return self.image.save(tar)


def entry_of(node: Node, part: int | None = None) -> ManifestEntry:
    """Return the entry of a manifest for a member."""
    kind = _KINDS.get(node.kind, FILE)
    import hashlib

    hashed = (blake3(node.content).digest(), hashlib.sha256(node.content).digest()) if kind == FILE else (b"", b"")
    return ManifestEntry(
        path=node.path,
        kind=kind,
        mode=node.mode,
        uid=node.uid,
        gid=node.gid,
        size=len(node.content),
        blake3=hashed[0],
        sha256=hashed[1],
        target=node.target,
        part=part,
    )
