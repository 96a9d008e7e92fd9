"""Small images that are pushed and patched: the project, the update of a library, the commands, and other manifests."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import zstandard
from fpack.builders.manifest.format import ARTIFACT
from fpack.store import canonical
from support.archives.archive import Archive, file
from support.processes.program import Fpack
from support.servers.registry import Stored, digest_of

PROJECT = """
debian = import("fpack/debian").trixie
image = container {{
  name = "{name}", tag = "1", closure = "{closure}", configure = false
  packages = [debian.hello]
  wants = {wants}
  entrypoint = ["/usr/bin/hello"]
  env = {{ NAME = "{name}" }}
  files = {{ "/etc/motd" = {{ text = "{name}" }} }}{more}
}}
"""
WORDS = '["/usr/share/greet/words"]'


def user(tmp_path: Path, archive: Archive, name: str = "user") -> Fpack:
    return Fpack(tmp_path / name, archive)


def project(fpack: Fpack, name: str = "app", closure: str = "linked", more: str = "") -> Path:
    """Write a project. more: fields of its container."""
    folder = fpack.home / name
    folder.mkdir(exist_ok=True)
    text = PROJECT.format(name=name, closure=closure, wants=WORDS if closure == "linked" else "[]", more=more)
    (folder / "fpack.fp").write_text(text)
    return folder


def update(archive: Archive) -> None:
    archive.add(
        "libgreet1", "2:1.0~rc1-1+deb13u1", suite="trixie-security", files={"usr/share/greet/words": "Good evening\n"}
    )
    archive.add("dash", "2.0", files={"usr/bin/dash": file(b"#!new", 0o755), "usr/bin/sh": file(b"#!new", 0o755)})
    archive.publish()


def push(fpack: Fpack, folder: Path, reference: str) -> str:
    pushed = json.loads(fpack("pack", "--push", reference, "--plain-http", "--json", cwd=folder).stdout)
    return str(pushed["digest"])


def patch(fpack: Fpack, *args: str) -> list[dict[str, Any]]:
    done = fpack("patch", *args, "--plain-http", "--json")
    found: list[dict[str, Any]] = json.loads(done.stdout)["images"]
    return found


def change_manifest(stored: Stored, change: Callable[[list[Any]], None]) -> None:
    """Put another exact manifest in the place of the one in a repository, as whoever may push to it can.

    change: gets the values of the manifest: the head, the derivations, and the entries.
    """
    (old,) = [name for name, (_, data) in stored.manifests.items() if json.loads(data).get("artifactType") == ARTIFACT]
    media_type, data = stored.manifests.pop(old)
    artifact = json.loads(data)
    packed = stored.blobs[artifact["layers"][0]["digest"]]
    unpacker: Any = msgpack.Unpacker(io.BytesIO(zstandard.ZstdDecompressor().decompressobj().decompress(packed)))
    values = list(unpacker)
    change(values)
    blob = zstandard.ZstdCompressor().compress(b"".join(map(canonical.encode, values)))
    stored.blobs[digest_of(blob)] = blob
    artifact["layers"][0] |= {"digest": digest_of(blob), "size": len(blob)}
    data = json.dumps(artifact).encode()
    stored.manifests[digest_of(data)] = (media_type, data)
