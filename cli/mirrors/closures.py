"""Carry the closures of store paths in a mirror's layout, and write them beside it again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from fpack.builders.distribution.layout import DirectoryRepository
from fpack.builders.distribution.names import digest_of
from fpack.builders.distribution.protocol import BlobEntry, BlobSource, Corrupt
from fpack.builders.mirrors.keeping import blob_source, describe_file
from fpack.builders.mirrors.kept_lock import LOCK_TAG, MANIFEST, MAX_MANIFEST, KeptFile, identities, parse, read_config
from fpack.builders.mirrors.pages import stored_lock
from fpack.store.path import StorePath

TAG = "closure-"
ARTIFACT = "application/vnd.fpack.closure.v1"
_EMPTY = b"{}"


def add_closures(repository: DirectoryRepository, texts: Sequence[str], scratch: Path) -> list[str]:
    """Add the closures of store paths, each of one file as fpack store export writes it. Return the paths."""
    if not texts:
        return []
    from fpack.cli.store.paths import find_paths, opened
    from fpack.store.closure_file.writer import write_closure
    from fpack.store.errors import StoreError

    file = scratch / "closure"
    with opened() as store:
        tops: list[StorePath] = [info.path for info in find_paths(store, texts)]
        if not store.keep(tops):
            raise StoreError("A path was deleted while it was exported", hint="try again")
        with file.open("wb") as out:
            write_closure(store, tops, out)
    kept = describe_file(file, f"{tops[0].name}.closure")
    repository.write_blob(blob_source(kept, file))
    file.unlink()
    empty = BlobEntry("application/vnd.oci.empty.v1+json", digest_of(_EMPTY), len(_EMPTY))
    repository.write_blob(BlobSource(empty.digest, empty.size, lambda offset: iter((_EMPTY[offset:],))))
    layer = kept.blob._replace(annotations={"org.opencontainers.image.title": kept.name})
    value = {
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": ARTIFACT, "config": empty.value(),
        "layers": [layer.value()],
    }  # fmt: skip
    data = json.dumps(value, separators=(",", ":")).encode()
    repository.write_manifest(data, MANIFEST, f"{TAG}{kept.digest.removeprefix('sha256:')[:40]}")
    return [str(path) for path in tops]


def write_contents(repository: DirectoryRepository, directory: Path) -> list[Path]:
    """Write the kept lock of a layout, and closures of store paths, to files beside it. Return them."""
    written = []
    names = identities(repository.tags(LOCK_TAG))
    for number, identity in enumerate(names):
        stored = stored_lock(repository, identity)
        if stored is not None:
            path = directory / ("fpack.lock" if number == 0 else f"fpack-{number + 1}.lock")
            path.write_text(read_config(repository, stored).lock)
            written.append(path)
    for number, tag in enumerate(repository.tags(TAG)):
        found = repository.manifest(tag)
        layers = parse(found.data, repository.name, MAX_MANIFEST).get("layers") if found is not None else None
        if not isinstance(layers, list) or len(layers) != 1 or not isinstance(layers[0], dict):
            raise Corrupt("The bundle has a closure that is not valid", where=repository.name, why=tag)
        digest, size = str(layers[0].get("digest")), layers[0].get("size")
        path = directory / ("paths.closure" if number == 0 else f"paths-{number + 1}.closure")
        with path.open("xb") as out:
            for chunk in repository.read_blob(KeptFile("", digest, size if isinstance(size, int) else -1).blob):
                out.write(chunk)
        written.append(path)
    return written
