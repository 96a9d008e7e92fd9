"""An image in a registry is read like one in a file, without its layers, and nothing in it can pass for another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fpack.builders.distribution.document_cache import DocumentCache
from fpack.builders.distribution.layout import DirectoryRepository
from fpack.builders.distribution.protocol import BlobEntry, Corrupt, ManifestDocument
from fpack.builders.verify.findings import VerifyError
from fpack.cli.images import image_file
from fpack.store.errors import FpackError
from support.images.greeter import Greeter
from support.images.pushed import INDEX, MANIFEST, NAME, Counting, digest_of, files_of, push, remote
from support.images.tamper import Image
from support.reports.evidence import verify_alone
from support.servers.repositories import write


@pytest.fixture
def repository(tmp_path: Path) -> Counting:
    return Counting(DirectoryRepository(tmp_path / "registry"))


def test_the_manifest_of_an_image_is_read_without_its_layers(made: Greeter, repository: Counting) -> None:
    digest = push(made.tar, repository)
    image = image_file.read(remote(repository))
    file = image_file.read(made.tar)
    assert image.digest == file.digest == digest
    assert image.data == file.data and image.data is not None
    assert image.name == f"{NAME}:1.0"
    layers = {layer.blob.digest for layer in image.layers if layer.blob is not None}
    assert not layers & {asked for _, asked in repository.asked}
    # The manifest and configuration of the image, its referrers, one artifact, and the exact manifest.
    assert repository.methods() == ["manifest", "blob", "referrers", "manifest", "blob"]


def test_documents_are_asked_for_once(made: Greeter, repository: Counting, tmp_path: Path) -> None:
    digest = push(made.tar, repository)
    cache = DocumentCache(tmp_path / "cache")
    image = remote(repository, cache=cache)
    image_file.read(image)
    first = len(repository.asked)
    assert image_file.read_all(image)[0].data is not None
    assert len(repository.asked) == first
    # A tag and referrers may change; what has a digest cannot.
    assert image_file.read(remote(repository, cache=cache)).data is not None
    assert repository.methods()[first:] == ["manifest", "referrers"]
    assert image_file.read(remote(repository, f"@{digest}", cache)).data is not None
    assert repository.methods()[first + 2 :] == ["referrers"]


def test_an_image_in_a_registry_is_verified_whole(made: Greeter, repository: Counting) -> None:
    push(made.tar, repository)
    outcome = verify_alone(remote(repository))
    assert not outcome.report.differs, outcome.report.findings
    assert outcome.value()["images"] == verify_alone(made.tar).value()["images"]
    assert outcome.other_names == [f"{NAME}:1.0"]


@pytest.mark.parametrize(
    "listed", ["", "application/vnd.oci.empty.v1+json", "application/vnd.oci.image.config.v1+json"]
)
def test_a_registry_that_does_not_know_types_of_artifacts(
    made: Greeter, repository: Counting, tmp_path: Path, listed: str
) -> None:
    """It lists the media type of the configuration, or none: the type stands in the artifact, which is read once."""
    push(made.tar, repository)
    known = repository.referrers
    plain = [entry._replace(artifact_type=listed, annotations={}) for entry in known(repository.manifest("1.0").digest)]  # type: ignore[union-attr]
    repository.referrers = lambda digest, artifact_type="": plain  # type: ignore[method-assign]
    before = len(repository.asked)
    cache = DocumentCache(tmp_path / "cache")
    image = image_file.read(remote(repository, cache=cache))
    assert image.data == image_file.read(made.tar).data and image.data is not None
    assert repository.methods()[before:] == ["manifest", "blob", "manifest", "blob"]
    assert not verify_alone(remote(repository, cache=cache)).report.differs


def test_an_artifact_that_is_missing_is_told_by_its_readers(made: Greeter, repository: Counting) -> None:
    digest = push(made.tar, repository, referrers=False)
    lost = BlobEntry(MANIFEST, digest_of(b"lost"), 4)
    repository.referrers = lambda digest, artifact_type="": [lost]  # type: ignore[method-assign]
    assert image_file.read(remote(repository)).digest == digest


def test_an_image_without_its_referrer_says_so(made: Greeter, repository: Counting) -> None:
    push(made.tar, repository, referrers=False)
    image = image_file.read(remote(repository))
    with pytest.raises(VerifyError) as caught:
        image_file.manifest(image)
    assert "fpack push puts it there" in (caught.value.why or "")
    with pytest.raises(VerifyError, match="carries no manifest"):
        verify_alone(remote(repository))


def test_the_manifest_of_another_image_does_not_count(made: Greeter, repository: Counting, tmp_path: Path) -> None:
    changed = Image.load(made.tar)
    changed.layers.pop()
    changed.config["rootfs"]["diff_ids"].pop()
    push(changed.save(tmp_path / "changed.tar"), repository)
    image = image_file.read(remote(repository))
    assert image.data is None and "is about another image" in image.absent
    assert verify_alone(remote(repository)).report.differs


def test_a_tag_that_does_not_exist(made: Greeter, repository: Counting) -> None:
    push(made.tar, repository)
    with pytest.raises(VerifyError) as caught:
        image_file.read(remote(repository, ":1.1"))
    assert f"{NAME}:1.1" in caught.value.what and "1.0" in (caught.value.hint or "")
    with pytest.raises(VerifyError, match="There is no image"):
        image_file.read(remote(repository, "@sha256:" + "0" * 64))


def cut(pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield next(pieces)[:100]
    raise Corrupt("The blob was truncated", where="registry")


def test_layers_that_are_missing_or_damaged_are_differences(made: Greeter, repository: Counting) -> None:
    push(made.tar, repository)
    first, second, *_ = image_file.read(made.tar).layers
    assert first.blob is not None and second.blob is not None
    repository.blobs[first.blob.digest] = cut
    repository.delete(second.blob.digest)
    outcome = verify_alone(remote(repository))
    found = {finding.where for finding in outcome.report.findings}
    assert outcome.report.differs
    assert any(first.blob.digest.removeprefix("sha256:") in where for where in found), found


def test_a_registry_that_sends_another_manifest_is_refused(made: Greeter, repository: Counting) -> None:
    push(made.tar, repository)
    right = repository.manifest("1.0")
    assert right is not None
    other = ManifestDocument(right.media_type, right.digest, right.data + b" ")
    repository.manifest = lambda reference: other  # type: ignore[method-assign]
    for reference in (":1.0", f"@{right.digest}"):
        with pytest.raises(VerifyError, match="another document"):
            image_file.read(remote(repository, reference))
    swapped = ManifestDocument(right.media_type, digest_of(other.data), other.data)
    repository.manifest = lambda reference: swapped  # type: ignore[method-assign]
    with pytest.raises(VerifyError, match="another document"):
        image_file.read(remote(repository, f"@{right.digest}"))


HOSTILE = {
    "not json": b"{",
    "a list": b"[]",
    "nested": b'{"a":' * 5000,
    "no layers": json.dumps({"mediaType": MANIFEST}).encode(),
    "a digest that is a path": json.dumps(
        {"mediaType": MANIFEST, "config": {"mediaType": "x", "digest": "sha256:../../../etc/passwd", "size": 1}}
    ).encode(),
    "twice": b'{"layers": [], "layers": []}',
    "huge": json.dumps(
        {
            "mediaType": MANIFEST,
            "config": {"mediaType": "x", "digest": "sha256:" + "0" * 64, "size": 1 << 60},
            "layers": [],
        }
    ).encode(),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_manifests_give_an_error(repository: Counting, name: str) -> None:
    data = HOSTILE[name]
    found = ManifestDocument(MANIFEST, digest_of(data), data)
    repository.manifest = lambda reference: found  # type: ignore[method-assign]
    with pytest.raises(FpackError):
        image_file.read(remote(repository))


@pytest.mark.parametrize("count", [300, 20_000, 1_000_000])
def test_an_index_of_many_entries_is_refused(repository: Counting, count: int) -> None:
    entry = b'{"mediaType":"%s","digest":"sha256:%s","size":1}' % (MANIFEST.encode(), b"0" * 64)
    data = b'{"mediaType":"%s","manifests":[%s]}' % (INDEX.encode(), b",".join([entry] * count))
    found = ManifestDocument(INDEX, digest_of(data), data)
    repository.manifest = lambda reference: found  # type: ignore[method-assign]
    with pytest.raises(FpackError):
        image_file.read(remote(repository))
    assert len(repository.asked) == 0


def test_many_referrers_are_refused(made: Greeter, repository: Counting) -> None:
    push(made.tar, repository)
    one = repository.referrers(image_file.read(made.tar).digest)[0]
    many = [one._replace(digest=f"sha256:{number:064}") for number in range(2000)]
    repository.referrers = lambda digest, artifact_type="": many  # type: ignore[method-assign]
    with pytest.raises(FpackError, match="2000 documents|cannot be read"):
        image_file.read(remote(repository))


def test_several_platforms(made: Greeter, repository: Counting, tmp_path: Path) -> None:
    digest = push(made.tar, repository)
    files = files_of(made.tar)
    top = json.loads(files[f"blobs/{digest.replace(':', '/')}"])
    config = json.loads(files[f"blobs/{top['config']['digest'].replace(':', '/')}"])
    other_config = json.dumps({**config, "architecture": "riscv64"}).encode()
    write(repository, other_config)
    other = json.dumps(
        {**top, "config": {**top["config"], "digest": digest_of(other_config), "size": len(other_config)}}
    ).encode()
    entries = [repository.resolve(digest), repository.write_manifest(other, MANIFEST)]
    platforms = [{"os": "linux", "architecture": config["architecture"]}, {"os": "linux", "architecture": "riscv64"}]
    index = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [
            {**entry.value(), "platform": platform}
            for entry, platform in zip(entries, platforms, strict=True)
            if entry is not None
        ],
    }
    repository.write_manifest(json.dumps(index).encode(), INDEX, "all")
    with pytest.raises(FpackError, match="several platforms"):
        image_file.read(remote(repository, ":all"))
    assert image_file.read(remote(repository, ":all"), f"linux/{config['architecture']}").digest == digest
    found = image_file.read(remote(repository, ":all"), "linux/riscv64")
    assert found.digest == digest_of(other)
    with pytest.raises(FpackError, match="no image for linux/s390x"):
        image_file.read(remote(repository, ":all"), "linux/s390x")
