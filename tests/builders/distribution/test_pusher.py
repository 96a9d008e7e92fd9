"""Pushes: what is asked and sent, in which order, and what an interruption costs."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from fpack.builders.distribution.layout import DirectoryRepository
from fpack.builders.distribution.protocol import BlobSource, Denied, Repository, Unavailable
from fpack.builders.distribution.pusher import (
    Chunks,
    LateDocument,
    PushedImage,
    PushedManifest,
    Pusher,
    SilentObserver,
    manifest,
)
from support.servers.registry import Registry, open_registry
from support.servers.repositories import CONFIG, MANIFEST, digest_of, entry

INDEX = "application/vnd.oci.image.index.v1+json"


def contents(*blobs: bytes) -> dict[str, bytes]:
    return {digest_of(blob): blob for blob in blobs}


def made(config: bytes, *layers: bytes, **more: object) -> PushedManifest:
    """Return a manifest and its blobs."""
    known = contents(config, *layers)
    value = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": entry(config, CONFIG).value(),
        "layers": [entry(layer).value() for layer in layers],
        **more,
    }

    def chunks(digest: str) -> Chunks:
        return lambda offset: iter((known[digest][offset:],))

    subject = more.get("subject")
    return manifest(
        json.dumps(value).encode(),
        MANIFEST,
        chunks,
        subject=str(subject["digest"]) if isinstance(subject, dict) else "",
    )


def about(image: PushedManifest, text: bytes) -> PushedManifest:
    subject = entry(image.data, image.media_type).value()
    return made(b"{}", text, artifactType="application/vnd.example", subject=subject)


LAYERS = tuple(bytes([number]) * 3000 for number in range(1, 9))
APP = made(b'{"a":1}', *LAYERS)


@pytest.fixture(params=[True, False])
def registry(request: pytest.FixtureRequest) -> Iterator[Registry]:
    with Registry(api=request.param) as server:
        yield server


def test_the_tag_comes_last(registry: Registry) -> None:
    image = PushedImage(APP, referrers=[about(APP, b"sbom"), about(APP, b"vex")])
    app = open_registry(registry)
    result = Pusher(app).push(image, "1.0")
    assert (result.digest, result.unchanged, result.uploaded, result.referrers) == (APP.digest, False, 12, 2)
    assert result.sent == registry.received
    written = [path for method, path in registry.requests if method == "PUT" and "/manifests/" in path]
    assert written[-1] == "/v2/team/app/manifests/1.0" and written[0].endswith(APP.digest)
    assert {found.digest for found in app.referrers(APP.digest)} == {one.digest for one in image.referrers}


def test_an_unchanged_push_is_one_request(registry: Registry) -> None:
    image = PushedImage(APP, referrers=[about(APP, b"sbom")])
    Pusher(open_registry(registry)).push(image, "1.0")
    registry.clear()
    result = Pusher(open_registry(registry)).push(image, "1.0", {one.digest for one in image.referrers})
    assert result.unchanged and registry.requests == [("HEAD", "/v2/team/app/manifests/1.0")]
    # Without a record of the documents, their list is asked for.
    assert Pusher(open_registry(registry)).push(image, "1.0").unchanged
    assert {method for method, _ in registry.requests} == {"HEAD", "GET"} and registry.received == 0


def test_a_new_document_alone_is_sent(registry: Registry) -> None:
    image = PushedImage(APP, referrers=[about(APP, b"sbom")])
    Pusher(open_registry(registry)).push(image, "1.0")
    registry.clear()
    more = image._replace(referrers=[*image.referrers, about(APP, b"vex")])
    result = Pusher(open_registry(registry)).push(more, "1.0", [image.referrers[0].digest])
    assert (result.unchanged, result.referrers, result.sent) == (False, 1, 3)


def test_a_second_image_sends_new_blobs_alone(registry: Registry) -> None:
    Pusher(open_registry(registry)).push(PushedImage(APP), "1.0")
    registry.clear()
    new = made(b'{"a":2}', *LAYERS[:-1], b"new layer")
    result = Pusher(open_registry(registry)).push(PushedImage(new), "1.0")
    assert (result.uploaded, result.existing, result.sent) == (2, 7, len(b'{"a":2}' + b"new layer"))
    assert registry.count("HEAD", "/blobs/") == 2  # the blobs of the former image are there
    assert registry.count("PUT", "/blobs/") == 2


def test_layers_of_another_repository_are_mounted(registry: Registry) -> None:
    Pusher(open_registry(registry, name="team/base")).push(PushedImage(APP), "1.0")
    registry.clear()
    result = Pusher(open_registry(registry), lambda digest: ["team/base"]).push(PushedImage(APP), "1.0")
    assert (result.uploaded, result.existing, result.sent) == (0, 9, 0) and registry.received == 0


def test_an_index_of_platforms(registry: Registry) -> None:
    other = made(b'{"b":1}', *LAYERS[:4])
    rows = [entry(one.data, MANIFEST).value() for one in (APP, other)]
    data = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": rows}).encode()
    image = PushedImage(PushedManifest(data, INDEX), [APP, other], [about(other, b"sbom")])
    app = open_registry(registry)
    Pusher(app).push(image, "1.0")
    registry.clear()
    found = app.manifest("1.0")
    assert found is not None and found == (INDEX, digest_of(data), data)
    # A new image of one platform.
    new = made(b'{"b":2}', *LAYERS[:4])
    data = data.replace(other.digest.encode(), new.digest.encode())
    Pusher(open_registry(registry)).push(PushedImage(PushedManifest(data, INDEX), [APP, new]), "1.0")
    assert registry.received == len(b'{"b":2}') and registry.count("PUT", "/manifests/") == 2


def test_a_push_by_digest_alone(registry: Registry) -> None:
    app = open_registry(registry)
    Pusher(app).push(PushedImage(APP), "")
    assert app.tags() == [] and app.resolve(APP.digest) is not None
    assert Pusher(app).push(PushedImage(APP), "").unchanged


def test_a_new_repository_is_not_asked_for_each_small_blob(registry: Registry) -> None:
    layers = [b"%d" % number for number in range(40)]
    Pusher(open_registry(registry)).push(PushedImage(made(b"{}", *layers)), "1.0")
    assert 6 <= registry.count("HEAD", "/blobs/") < 20 and registry.count("PUT", "/blobs/") == 41


def test_an_interrupted_push_goes_on(registry: Registry) -> None:
    registry.fail("PUT .*/blobs/uploads/n[5-9]", 403)
    with pytest.raises(Denied):
        Pusher(open_registry(registry)).push(PushedImage(APP), "1.0")
    assert open_registry(registry).resolve("1.0") is None
    kept = len(registry.stored("team/app").blobs)
    assert kept
    registry.heal()
    registry.clear()
    result = Pusher(open_registry(registry)).push(PushedImage(APP), "1.0")
    assert (result.uploaded, result.existing) == (9 - kept, kept)


def test_a_failure_ends_the_other_uploads(registry: Registry) -> None:
    endless = 0

    def chunks(offset: int) -> Iterator[bytes]:
        nonlocal endless
        while True:
            endless += 1
            yield bytes(1000)

    large = BlobSource(digest_of(b"large"), 10**12, chunks)
    image = APP._replace(blobs=[large, *APP.blobs])
    registry.fail("PUT .*/blobs/uploads/n3", 400)
    with pytest.raises(Exception, match="refuses the blob"):
        Pusher(open_registry(registry)).push(PushedImage(image), "1.0")
    assert endless


def test_a_registry_that_fails_is_named(registry: Registry) -> None:
    registry.fail("HEAD", 500)
    with pytest.raises(Unavailable, match="The registry failed"):
        Pusher(open_registry(registry, retries=1)).push(PushedImage(APP), "1.0")


def test_a_directory_is_a_repository_too(tmp_path: Path) -> None:
    image = PushedImage(APP, referrers=[about(APP, b"sbom")])
    assert Pusher(DirectoryRepository(tmp_path)).push(image, "1.0").uploaded == 11
    assert Pusher(DirectoryRepository(tmp_path)).push(image, "1.0").unchanged


def test_late_documents_are_made_while_blobs_are_sent(registry: Registry) -> None:
    begun = threading.Event()
    late = about(APP, b"record")

    def make() -> PushedManifest:
        assert begun.wait(60)
        return late

    def chunks(offset: int) -> Iterator[bytes]:
        begun.set()
        return iter((LAYERS[0][offset:],))

    blobs = [blob._replace(chunks=chunks) if blob.digest == digest_of(LAYERS[0]) else blob for blob in APP.blobs]
    image = PushedImage(
        APP._replace(blobs=blobs),
        referrers=[about(APP, b"sbom")],
        late=[LateDocument("record", make), LateDocument("none", lambda: None)],
    )
    app = open_registry(registry)
    result = Pusher(app).push(image, "1.0")
    # The empty configuration is that of both documents, and is sent once.
    assert (result.uploaded, result.referrers) == (12, 2)
    assert late.digest in {found.digest for found in app.referrers(APP.digest)}
    written = [path for method, path in registry.requests if method == "PUT" and "/manifests/" in path]
    assert written[-1] == "/v2/team/app/manifests/1.0"


def test_a_late_document_that_cannot_be_made_ends_the_push(registry: Registry) -> None:
    def make() -> PushedManifest:
        raise Denied("no document")

    app = open_registry(registry)
    with pytest.raises(Denied, match="no document"):
        Pusher(app).push(PushedImage(APP, late=[LateDocument("record", make)]), "1.0")
    assert app.resolve("1.0") is None


def test_two_machines_that_push_one_tag_leave_one_whole_image(registry: Registry) -> None:
    """Documents of both images stay, also those in the lists that clients keep."""
    images = [made(b'{"a":%d}' % number, *LAYERS[: 4 + number]) for number in range(4)]
    documents = [about(image, b"about %d" % number) for number, image in enumerate(images)]
    start = threading.Barrier(len(images))
    failed: list[Exception] = []

    def push(number: int) -> None:
        start.wait()
        try:
            Pusher(open_registry(registry)).push(PushedImage(images[number], referrers=[documents[number]]), "1")
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=push, args=(number,)) for number in range(len(images))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    stored = registry.stored("team/app")
    assert stored.tags["1"] in {image.digest for image in images}
    for image, document in zip(images, documents, strict=True):
        assert image.digest in stored.manifests
        assert [found.digest for found in open_registry(registry).referrers(image.digest)] == [document.digest]


def test_a_push_that_writes_again_what_was_deleted_keeps_what_another_push_added(tmp_path: Path) -> None:
    """The documents below the tag were read before the wait for the gc, during which another push writes the tag."""
    app = DirectoryRepository(tmp_path / "layout")
    mine, theirs = (about(APP, text)._replace(tag="sig") for text in (b"mine", b"theirs"))
    shown: list[str] = []

    class Observer(SilentObserver):
        def begin(self, blobs: Sequence[BlobSource]) -> None:
            shown.extend(blob.digest for blob in blobs)

        def end(self, blob: BlobSource) -> None:
            shown.remove(blob.digest)

    def rows(data: bytes) -> list[object]:
        found: list[object] = json.loads(data)["layers"]
        return found

    def merge(repository: Repository, one: PushedManifest) -> PushedManifest | None:
        found = repository.manifest(one.tag)
        known = rows(found.data) if found is not None else []
        missing = [row for row in rows(one.data) if row not in known]
        data = json.dumps(json.loads(one.data) | {"layers": [*known, *missing]}).encode()
        return one._replace(data=data) if missing else None

    def settle(repository: Repository) -> bool:
        for number, blob in enumerate(LAYERS[:2]):
            assert repository.delete(digest_of(blob)) or number
        app.delete("sig")
        Pusher(app, merge=merge).push(PushedImage(APP, referrers=[theirs]), "2")
        repository.delete(digest_of(LAYERS[3]))
        return True

    for blob in LAYERS[:4]:
        app.write_blob(BlobSource(digest_of(blob), len(blob), lambda offset, blob=blob: iter((blob[offset:],))))  # type: ignore[misc]
    Pusher(app, observer=Observer(), merge=merge, settle=settle).push(PushedImage(APP, referrers=[mine]), "1")
    assert all(app.has_blob(digest_of(blob)) for blob in (*LAYERS, b"mine", b"theirs"))
    found = app.manifest("sig")
    assert found is not None and len(rows(found.data)) == 2 and shown == []
