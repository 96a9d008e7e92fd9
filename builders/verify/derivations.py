"""Follow the inputs of a manifest's derivations: from a slice to its payload, and to the file of its package."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fpack.builders.manifest.format import LockedPackage
from fpack.store.derivation import Derivation, placeholder

from .evidence import deb_reader

Derivations = Mapping[str, Derivation]


def input_of(derivations: Derivations, digest: str | None, kind: str, field: str, wanted: str) -> str | None:
    """Return the digest of the input, of kind `wanted`, that a field of a derivation of kind `kind` names."""
    made = derivations.get(digest or "")
    if made is None or made.kind != kind:
        return None
    for output in made.inputs:
        other = derivations.get(output.derivation.hex())
        if other is not None and other.kind == wanted:
            text = str(placeholder(output.derivation, other.name, output.name))
            if made.args.get(field) == text:
                return output.derivation.hex()
    return None


def pin_differences(
    pin: LockedPackage, version: str, payload: Derivation, fetch: Derivation
) -> list[tuple[str, Any, Any]]:
    """Return what differs between a locked package and the derivations of its payload: (what, found, locked)."""
    pairs = (
        ("version", version, pin.version),
        ("version in its derivation", payload.args.get("version"), pin.version),
        ("name in its derivation", payload.args.get("package"), pin.name),
        ("SHA-256", fetch.args.get("sha256"), pin.sha256),
        ("SHA-512", fetch.args.get("sha512", ""), pin.sha512),
        ("size", fetch.args.get("size"), pin.size),
    )
    return [pair for pair in pairs if pair[1] != pair[2]]


def declared_digest(fetch: Derivation) -> str:
    """Return the digest of a download for a report: the SHA-256, else `sha512:` and the SHA-512."""
    sha256, sha512 = str(fetch.args.get("sha256", "")), str(fetch.args.get("sha512", ""))
    return sha256 or (f"sha512:{sha512}" if sha512 else "")


def is_download(fetch: Derivation, path: Path) -> bool:
    """Return whether a file has the size and the digests that a download declares."""
    args = fetch.args
    return deb_reader.is_file(path, args.get("size"), args.get("sha256", ""), args.get("sha512", ""))
