"""Images of other tools in a registry, made by tarfile and gzip alone: the bases of containers."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from typing import Any

from support.servers.registry import INDEX, Registry, digest_of

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip"
PASSWD = "root:x:0:0:root:/root:/bin/sh\nwww:x:33:33::/var/www:/bin/false\n"
GROUP = "root:x:0:\nwww:x:33:\n"

Member = bytes | str | tarfile.TarInfo | None  # a file's content, a symlink's target, anything, or a directory


def tar_of(members: Mapping[str, Member]) -> bytes:
    """Return a layer as docker writes it: unsorted, with names of owners and times."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, member in members.items():
            info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.mtime, info.uname, info.gname = 1_700_000_000, "root", "root"
            content = None
            if isinstance(member, bytes):
                info.size, content = len(member), io.BytesIO(member)
                info.mode = 0o755 if "/bin/" in f"/{name}" else 0o644
            elif isinstance(member, str):
                info.type, info.linkname, info.mode = tarfile.SYMTYPE, member, 0o777
            elif member is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            archive.addfile(info, content)
    return made.getvalue()


def hard_link(name: str, target: str) -> tarfile.TarInfo:
    """Return a hard link."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.LNKTYPE, target
    return info


def device(name: str) -> tarfile.TarInfo:
    """Return a character device."""
    info = tarfile.TarInfo(name)
    info.type, info.devmajor, info.devminor = tarfile.CHRTYPE, 5, 1
    return info


BASE: dict[str, Member] = {
    "bin": "usr/bin",
    "lib": "usr/lib",
    "etc/passwd": PASSWD.encode(),
    "etc/group": GROUP.encode(),
    "etc/os-release": b"ID=other\n",
    "usr/bin/sh": b"#!shell",
    "usr/bin/busy": b"\x7fbusy",
    "usr/bin/box": hard_link("usr/bin/box", "usr/bin/busy"),
    "tmp": None,
    "srv/old/gone": b"gone\n",
    "srv/kept": b"1\n",
}
SECOND: dict[str, Member] = {
    "srv/.wh.old": b"",
    "srv/kept": b"2\n",
    "var/log/.wh..wh..opq": b"",
    "var/log/new": b"log\n",
}


DPKG = """\
Package: libgreet0
Status: install ok installed
Architecture: amd64
Source: greet (1.0-2)
Version: 1.0-2+b1
Description: greets
 at length

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1
"""
APK = """\
C:Q1abc=
P:libcrypto3
V:3.3.1-r0
A:x86_64
o:openssl
F:usr/lib
R:libcrypto.so.3

P:busybox
V:1.36.1-r29
A:x86_64
o:busybox
"""


def os_release(name: str, version: str, codename: str = "") -> bytes:
    """An os-release."""
    return f'ID={name}\nVERSION_ID="{version}"\nVERSION_CODENAME={codename}\n'.encode()


def push(
    registry: Registry,
    name: str = "team/base",
    layers: Sequence[Mapping[str, Member]] = (BASE, SECOND),
    settings: Mapping[str, Any] = {},
    *,
    tag: str = "1",
    platforms: Sequence[str] = ("amd64",),
    index: bool = False,
) -> str:
    """Put an image into a registry. Return its reference, with a digest."""
    stored = registry.stored(name)
    entries = []
    for arch in platforms:
        tars = [tar_of(layer) for layer in layers]
        blobs = [gzip.compress(tar, 1, mtime=0) for tar in tars]
        config = json.dumps(
            {
                "architecture": arch,
                "os": "linux",
                "config": {"Env": ["PATH=/opt/bin:/usr/bin:/bin", "BASE=1"], "Cmd": ["/usr/bin/busy"], **settings},
                "rootfs": {"type": "layers", "diff_ids": [digest_of(tar) for tar in tars]},
                "history": [{"created_by": "another tool"}],
            }
        ).encode()
        for data in [config, *blobs]:
            stored.blobs[digest_of(data)] = data
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": _entry("application/vnd.docker.container.image.v1+json", config),
                "layers": [_entry(GZIP, blob) for blob in blobs],
            }
        ).encode()
        stored.manifests[digest_of(manifest)] = (MANIFEST, manifest)
        entries.append({**_entry(MANIFEST, manifest), "platform": {"os": "linux", "architecture": arch}})
    digest = entries[0]["digest"]
    if index:
        data = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()
        digest = digest_of(data)
        stored.manifests[digest] = (INDEX, data)
    stored.tags[tag] = digest
    return f"{registry.host}/{name}:{tag}@{digest}"


def _entry(media_type: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": f"sha256:{hashlib.sha256(data).hexdigest()}", "size": len(data)}
