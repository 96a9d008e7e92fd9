"""Write the SLSA provenance of an image (https://slsa.dev/spec/v1.1/provenance) from its manifest.

The same manifest gives the same bytes on every machine. What the manifest does not know of a pack is a `BuildContext`:
it is the packer's own claim. `docs/signatures.md` describes the fields.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from fpack.builders.manifest import format as form
from fpack.builders.manifest.encoding import head_value
from fpack.builders.manifest.format import Head
from fpack.builders.manifest.reader import ManifestReader
from fpack.builders.sbom.model import Component
from fpack.builders.sbom.provenance import Provenance
from fpack.store import canonical

from . import statement
from .statement import Statement

BUILD_TYPE = "urn:fpack:build-type:image:1"
BUILDER = "urn:fpack:builder:"
_DERIVATION = "urn:fpack:derivation:"
_COMMIT = "git"
_EXPRESSION = "expression"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z")


class Commit(NamedTuple):
    """The commit of a project's git repository. clean: every file that the image is built from is as in the commit."""

    digest: str
    clean: bool


class BuildContext(NamedTuple):
    """The packer's claims, which the manifest does not have.

    attribute: what was packed, as the user named it. files: name and SHA-256 of the project's expressions.
    commit: of the project. finished: the time, such as 2026-01-31T12:00:00Z, or "" for none. builder: a URI, "" for the
    default.
    """

    attribute: str = ""
    files: tuple[tuple[str, str], ...] = ()
    commit: Commit | None = None
    finished: str = ""
    builder: str = ""


def provenance(reader: ManifestReader, data: bytes, context: BuildContext = BuildContext()) -> Statement:  # noqa: B008
    """Return the provenance of an image. data: its manifest in canonical form, which `reader` reads."""
    head = reader.head
    image = head.image
    metadata = {"invocationId": _DERIVATION + image.derivation}
    if context.finished:
        metadata["finishedOn"] = context.finished
    predicate = {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": _parameters(reader, context.attribute),
            "internalParameters": {
                "fpack": head.fpack,
                "kinds": sorted({drv.kind for drv in reader.derivations.values()}),
                "codec": dict(image.codec),
            },
            "resolvedDependencies": [*_context_files(context), *_dependencies(reader)],
        },
        "runDetails": {
            "builder": {
                "id": context.builder or BUILDER + (head.executor or "local"),
                "version": {"fpack": head.fpack},
            },
            "metadata": metadata,
            "byproducts": [
                {
                    "name": "manifest",
                    "mediaType": f"{form.ARTIFACTS[head.format - 1]}+msgpack",
                    "digest": {"sha256": hashlib.sha256(data).hexdigest()},
                }
            ],
        },
    }
    return statement.about(f"{image.name}:{image.tag}", image.manifest.digest, statement.PROVENANCE, predicate)


def context_of(found: Statement) -> BuildContext:
    """Return what a provenance of this form claims beside its manifest. Other fields are not read.

    `provenance` with this context gives the same statement, unless someone changed it.
    """
    try:
        definition, run = found.predicate["buildDefinition"], found.predicate["runDetails"]
        named = [item for item in definition["resolvedDependencies"] if "uri" not in item]
        expressions = [item for item in named if item.get("annotations") == {"kind": _EXPRESSION}]
        commits = [item for item in named if item["name"] == _COMMIT]
        builder = str(run["builder"]["id"])
        return BuildContext(
            str(definition["externalParameters"].get("attribute", "")),
            tuple((str(item["name"]), str(item["digest"]["sha256"])) for item in expressions),
            Commit(str(commits[0]["digest"]["gitCommit"]), commits[0]["annotations"]["clean"] is True)
            if commits
            else None,
            str(run["metadata"].get("finishedOn", "")),
            "" if builder.startswith(BUILDER) else builder,
        )
    except (KeyError, TypeError, AttributeError, IndexError):
        return BuildContext()


def is_time(text: str) -> bool:
    """Return whether a text is a time as `BuildContext` has it."""
    return _TIME.match(text) is not None


def _parameters(reader: ManifestReader, attribute: str) -> dict[str, Any]:
    head = reader.head
    config = head.image.configuration.get("config")
    platform = [str(head.image.configuration[key]) for key in ("os", "architecture", "variant")
                if key in head.image.configuration]  # fmt: skip
    seeds = [path.package for path in head.paths if path.package and path.reason and path.reason.kind == "seed"]
    return {
        **({"attribute": attribute} if attribute else {}),
        "name": head.image.name,
        "tag": head.image.tag,
        "platform": "/".join(platform),
        "packages": sorted(set(seeds)),
        "container": dict(config) if isinstance(config, dict) else {},
    }


def _context_files(context: BuildContext) -> Iterator[dict[str, Any]]:
    """Yield the project's own files, and its commit."""
    for name, sha256 in sorted(context.files):
        yield {"name": name, "digest": {"sha256": sha256}, "annotations": {"kind": _EXPRESSION}}
    if context.commit is not None:
        digest = {"gitCommit": context.commit.digest}
        yield {"name": _COMMIT, "digest": digest, "annotations": {"clean": context.commit.clean}}


def _dependencies(reader: ManifestReader) -> Iterator[dict[str, Any]]:
    """Yield the derivations, the lock with its signed indexes, and everything that was downloaded or copied."""
    head = reader.head
    bodies = b"".join(drv.encode() for _, drv in sorted(reader.derivations.items()))
    yield {"uri": _DERIVATION + head.image.derivation, "name": "derivations", "digest": _sha256(bodies)}
    yield from _lock(head)
    known = Provenance(head, reader.derivations)
    locked = {source.derivation: source.hashes for source in head.sources if source.kind in form.LOCKED}
    found = {item.ref: _component(item) for item in known.components(reader.derivations.keys() - locked.keys())}
    for digest, hashes in locked.items():
        found |= {item.ref: _component(item, hashes) for item in known.components([digest])}
    yield from (found[ref] for ref in sorted(found))


def _lock(head: Head) -> Iterator[dict[str, Any]]:
    lock = head_value(head)["lock"]
    if not head.lock.release:
        return
    yield {"uri": "urn:fpack:lock", "name": "lock", "digest": _sha256(canonical.encode(lock))}
    archives = {}
    for suite in head.lock.suites:
        archives[suite.suite] = suite.archive
        path = f"{suite.archive}/dists/{suite.suite}/Release"
        yield {"uri": f"urn:fpack:archive:{path}", "name": path, "digest": {"sha256": suite.sha256}}
    for index in head.lock.indexes:
        path = f"{archives.get(index.suite, 'debian')}/dists/{index.suite}/{index.file}"
        sums = {"sha256": index.packed_sha256, "sha512": index.packed_sha512}
        digest = {name: value for name, value in sums.items() if value}
        yield {"uri": f"urn:fpack:archive:{path}", "name": path, "digest": digest}


def _component(component: Component, hashes: tuple[str, ...] = ()) -> dict[str, Any]:
    digest = {name: value for name, value in component.hashes._asdict().items() if value}
    tree = component.ref.removeprefix("tree:")
    if tree != component.ref:
        digest = {"fpackTree": tree}
    row: dict[str, Any] = {
        "uri": component.purl or f"urn:fpack:tree:{tree}",
        "name": component.file or component.name,
        "digest": digest or _digests(hashes),
    }
    if component.urls:
        row["downloadLocation"] = component.urls[0]
    return row


def _digests(hashes: tuple[str, ...]) -> dict[str, str]:
    """Convert hashes of a project's lock: `sha256:HEX`, `sha512-BASE64`, or Go's `h1:BASE64` of a directory."""
    found: dict[str, str] = {}
    for text in hashes:
        name, _, value = text.replace("-", ":", 1).partition(":")
        try:
            if name == "sha256":
                found.setdefault("sha256", value)
            elif name in ("sha512", "h1"):
                found.setdefault({"h1": "dirHash"}.get(name, name), base64.b64decode(value, validate=True).hex())
        except (binascii.Error, ValueError):
            continue
    return found


def _sha256(data: bytes) -> dict[str, str]:
    return {"sha256": hashlib.sha256(data).hexdigest()}
