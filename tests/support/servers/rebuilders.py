"""Answers of rebuilders, made with keys of the test: lists of builds, and attestations."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fpack.builders.attest import canonical_json, rebuilder_answers
from fpack.builders.attest.in_toto_link import format_key, key_id
from fpack.builders.attest.rebuilders import RebuilderAnswer
from support.servers.httpserver import Server

ATTESTATION = "/api/v1/builds/1/artifacts/1/attestation"


class LockedDeb(NamedTuple):
    """A locked package."""

    name: str
    version: str
    arch: str
    sha256: str
    file: str
    archive: str = "debian"
    sha512: str = ""
    source: str = ""
    source_version: str = ""
    size: int = 0


_NUMBERS = itertools.count(1000)


class Key:
    """A key pair. With a number, it is always the same one: the names of tests may mention it."""

    def __init__(self, number: int | None = None) -> None:
        number = next(_NUMBERS) if number is None else number
        self.private = Ed25519PrivateKey.from_private_bytes(number.to_bytes(32))
        self.raw = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.text = format_key(self.raw)
        self.id = key_id(self.raw)

    def sign(self, signed: Any) -> dict[str, str]:
        """Return a signature over a record."""
        return {"keyid": self.id, "sig": self.private.sign(canonical_json.encode(signed)).hex()}


def package(name: str = "hello", version: str = "2.10-3", digit: str = "a") -> LockedDeb:
    """Return a package; `digit` makes its digest."""
    return LockedDeb(name, version, "amd64", digit * 64, f"pool/main/{name[0]}/{name}/{name}_{version}_amd64.deb")


def link(about: Any, **changes: Any) -> dict[str, Any]:
    """Return the record that the attestation of a package signs."""
    file = rebuilder_answers.file_name(about)
    return {
        "_type": "link",
        "name": f"rebuild {file}",
        "materials": {f"{about.name}.buildinfo": {"sha256": "b" * 64}},
        "products": {file: {"sha256": about.sha256 or "a" * 64, "sha512": about.sha512 or "c" * 128}},
        "environment": None,
        "byproducts": {},
        "command": [],
        **changes,
    }


def attestation(signed: dict[str, Any], *keys: Key) -> bytes:
    """Return a document, signed by keys."""
    return json.dumps({"signatures": [key.sign(signed) for key in keys], "signed": signed}).encode()


def row(about: Any, status: str | None = "GOOD", **changes: Any) -> dict[str, Any]:
    """Return an entry of a server's list."""
    good = 1 if status == "GOOD" else None
    return {
        "id": 1, "name": about.name, "version": about.version, "release": "trixie",
        "distribution": rebuilder_answers.distribution(about),
        "component": "main", "architecture": about.arch, "url": f"http://archive.example/debian/{about.file}",
        "status": status, "build_id": 1, "artifact_id": 1, "diffoscope_log_id": None, "attestation_log_id": good,
        "last_seen": "2026-01-01T00:00:00", "seen_in_last_sync": True, **changes,
    }  # fmt: skip


def listed(*rows: Any) -> bytes:
    """Return a server's list."""
    return json.dumps({"total": len(rows), "records": rows}).encode()


def good(server: str, about: Any, *keys: Key, number: int = 1) -> dict[tuple[str, str], RebuilderAnswer]:
    """Return the documents of a server that reproduced a package in its build `number`."""
    return {
        (server, rebuilder_answers.list_path(about)): RebuilderAnswer(listed(row(about, build_id=number))),
        (server, ATTESTATION.replace("builds/1", f"builds/{number}")): RebuilderAnswer(attestation(link(about), *keys)),
    }


def locked(manifest: Path) -> list[LockedDeb]:
    """Return the packages of an image, by the JSON form of its manifest."""
    packages = json.loads(manifest.read_bytes())["lock"]["packages"]
    return [LockedDeb(*(item.get(name, "") for name in LockedDeb._fields)) for item in packages]


def policy_file(required: int, operators: dict[str, tuple[list[str], list[Key]]], more: str = "") -> str:
    """Return the text of a policy. operators: servers and keys by name."""
    lines = [f"required = {required}"]
    for name, (servers, keys) in operators.items():
        texts = json.dumps([key.text for key in keys])
        lines += ["[[operator]]", f'name = "{name}"', f"servers = {json.dumps(servers)}", f"keys = {texts}"]
    return "\n".join([*lines, more, ""])


class Rebuilders(Server):
    """A server that reproduced some packages, could not reproduce others, and does not know the rest."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        folder.mkdir(exist_ok=True)
        self.key = Key()
        self._builds = 0
        pem = f"-----BEGIN PUBLIC KEY-----\r\n{_key_info(self.key.raw)}\r\n-----END PUBLIC KEY-----\r\n"
        self.replace(rebuilder_answers.KEYS, json.dumps({"current": [pem]}).encode())

    def reproduced(self, packages: Sequence[Any], *keys: Key) -> None:
        """Answer that these packages were reproduced, with attestations by `keys` or the server's own."""
        for about in packages:
            self._builds += 1
            for (_, path), answer in good("", about, *(keys or (self.key,)), number=self._builds).items():
                assert answer.data is not None
                self.replace(path, answer.data)

    def failed(self, about: Any) -> None:
        """Answer that a package could not be reproduced."""
        self.replace(rebuilder_answers.list_path(about), listed(row(about, "BAD")))

    def policy_of(self, manifest: Path, *, exceptions: int = 0) -> Path:
        """Reproduce the packages of an image but the first, and except some others; the policy."""
        packages = locked(manifest)
        self.failed(packages[0])
        self.reproduced(packages[1 + exceptions :])
        for about in packages[1 : 1 + exceptions]:
            self.replace(rebuilder_answers.list_path(about), listed())
        names = [about.name for about in packages[1 : 1 + exceptions]]
        more = "\n".join(f'[[exception]]\npackage = "{name}"\nreason = "it is known"' for name in names)
        path = self.folder / "policy.toml"
        path.write_text(policy_file(1, {"one": ([self.url], [self.key])}, more))
        return path


def _key_info(raw: bytes) -> str:
    """Return a key as rebuilderd writes it."""
    import base64

    return base64.b64encode(bytes.fromhex("302c300706032b65700500032100") + raw).decode()
