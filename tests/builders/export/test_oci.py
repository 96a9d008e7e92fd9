"""Exports: the same bytes each time, all of them accounted for, and nothing left of one that fails."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fpack.builders.export import layout_directory, oci
from fpack.builders.oci import spec
from fpack.builders.streams.output_file import ExportError
from fpack.store import canonical, threads
from fpack.store.errors import DamagedPath, StoreError
from fpack.store.path import StorePath
from support.images.small_images import Workshop, folder, program, read_tar, walk

Write = Callable[..., dict[str, Any]]


@pytest.fixture
def image(shop: Workshop) -> StorePath:
    return shop.image(shop.root({"app": {"usr/bin/app": program(os.urandom(200_000))}}), name="me/app", tag="1.2")


def files(place: Path) -> dict[str, bytes]:
    return {str(p.relative_to(place)): p.read_bytes() for p in place.rglob("*") if p.is_file()}


def test_the_tar_is_a_layout_with_a_docker_manifest(shop: Workshop, image: StorePath, tmp_path: Path) -> None:
    shop.tar(image, tmp_path / "a.tar")
    shop.layout(image, tmp_path / "layout")
    walk(tmp_path / "layout")
    found = read_tar((tmp_path / "a.tar").read_bytes())
    content = {path: data for path, (info, data) in found.items() if info.isfile()}
    docker = json.loads(content.pop("manifest.json"))
    assert content == files(tmp_path / "layout")
    assert [path for path, (info, _) in found.items() if info.isdir()] == ["blobs", "blobs/sha256"]
    manifest = json.loads((tmp_path / "layout" / docker[0]["Config"]).read_bytes())
    assert len(manifest["rootfs"]["diff_ids"]) == len(docker[0]["Layers"])
    assert docker[0]["RepoTags"] == ["localhost/me/app:1.2"]
    assert all(layer in content for layer in docker[0]["Layers"])


def test_the_index_names_one_image(shop: Workshop, image: StorePath, tmp_path: Path) -> None:
    result = shop.layout(image, tmp_path / "layout")
    (entry,) = json.loads((tmp_path / "layout/index.json").read_bytes())["manifests"]
    assert entry["digest"] == result["digest"]
    assert entry["annotations"] == {
        "org.opencontainers.image.ref.name": "1.2",
        "io.containerd.image.name": "localhost/me/app:1.2",
    }


def test_what_is_returned(shop: Workshop, image: StorePath, tmp_path: Path) -> None:
    result = shop.tar(image, tmp_path / "a.tar")
    shop.layout(image, tmp_path / "layout")
    found = walk(tmp_path / "layout")
    alone = {
        "platform": "linux/amd64",
        "digest": found["index"]["manifests"][0]["digest"],
        "image_id": found["manifest"]["config"]["digest"],
        "layers": len(found["layers"]),
        "size_compressed": sum(layer["size"] for layer in found["manifest"]["layers"]),
        "size_unpacked": sum(info.size for layer in found["layers"] for info, _ in layer.values()),
    }
    about = {"file": str(tmp_path / "a.tar"), "name": "me/app", "tag": "1.2", "omitted": [], "notes": []}
    assert result == {**about, **alone, "platforms": [alone]}


def test_it_is_the_same_each_time(shop: Workshop, image: StorePath, tmp_path: Path) -> None:
    shop.tar(image, tmp_path / "a.tar")
    before = os.umask(0o077)
    try:
        shop.tar(image, tmp_path / "b.tar")
    finally:
        os.umask(before)
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    assert (tmp_path / "b.tar").stat().st_mode & 0o777 == 0o600
    with tarfile.open(tmp_path / "a.tar") as opened:
        assert {(i.mtime, i.uid, i.gid, i.uname) for i in opened} == {(315619200, 0, 0, "")}


def test_two_layers_of_the_same_bytes_are_one_blob(shop: Workshop, tmp_path: Path) -> None:
    """A path's name is not part of its tar: two slices of the same directory have one layer's bytes."""
    root = shop.root({"one": {"usr/share/x": folder(0o700)}, "two": {"usr/share/x": folder(0o700)}})
    image = shop.image(root)
    assert shop.tar(image, tmp_path / "a.tar")["layers"] == 3
    shop.layout(image, tmp_path / "layout")
    assert len(walk(tmp_path / "layout")["layers"]) == 3
    assert len(read_tar((tmp_path / "a.tar").read_bytes())) == 5 + 4


def test_extra_documents_travel_with_the_image(shop: Workshop, image: StorePath, tmp_path: Path) -> None:
    extra = {"fpack-referrers.json": b"{}", "blobs/sha256/" + "0" * 64: b"attestation"}
    shop.tar(image, tmp_path / "a.tar", extra=extra)
    shop.layout(image, tmp_path / "layout", extra=lambda: extra)
    found = read_tar((tmp_path / "a.tar").read_bytes())
    for path, data in extra.items():
        assert found[path][1] == data and (tmp_path / "layout" / path).read_bytes() == data
    # The image replaces itself, and its documents go.
    shop.layout(image, tmp_path / "layout")
    walk(tmp_path / "layout")
    assert not (tmp_path / "layout/fpack-referrers.json").exists()


@pytest.fixture(params=["tar", "layout"])
def write(request: pytest.FixtureRequest, shop: Workshop) -> Write:
    return shop.tar if request.param == "tar" else shop.layout


@pytest.mark.parametrize("number", range(1, 17))
def test_a_full_disk_leaves_nothing(
    write: Write, image: StorePath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """The call with this number, of those that write, link names, copy or sync, finds no room."""
    left = number

    def full(name: str) -> None:
        real = getattr(os, name)

        def call(*args: Any, **options: Any) -> Any:
            nonlocal left
            if name == "fsync" and stat.S_ISDIR(os.fstat(args[0]).st_mode):
                return real(*args)  # the image is whole then
            left -= 1
            if left == 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*args, **options)

        monkeypatch.setattr(os, name, call)

    target = tmp_path / "out" / "image"
    target.parent.mkdir()
    for name in ("write", "copy_file_range", "sendfile", "rename", "fsync"):
        full(name)
    try:
        write(image, target)
    except ExportError as error:
        assert error.why == os.strerror(errno.ENOSPC) and error.hint
        assert list(target.parent.iterdir()) == []
    else:
        assert left > 0


@pytest.mark.parametrize("where", ["missing/image", "file/image"])
def test_a_place_that_cannot_be_written(write: Write, image: StorePath, tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="cannot be written"):
        write(image, tmp_path / where)


def test_an_image_that_was_there_stays_until_the_new_one_is_whole(
    shop: Workshop, write: Write, image: StorePath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "image"
    write(image, target)
    before = files(target) if target.is_dir() else target.read_bytes()
    second = shop.image(shop.root({"other": {"usr/bin/other": program(os.urandom(50_000))}}))
    with monkeypatch.context() as patch:
        patch.setattr(oci, "copy", _fail)
        with pytest.raises(ExportError):
            write(second, target)
    assert before == (files(target) if target.is_dir() else target.read_bytes())
    write(second, target)
    if target.is_dir():
        walk(target)
    assert before != (files(target) if target.is_dir() else target.read_bytes())


def _fail(*_: Any) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_damaged_layer_is_noticed(shop: Workshop, write: Write, image: StorePath, tmp_path: Path) -> None:
    from fpack.store import canonical

    record = canonical.decode((shop.disk(image) / "image").read_bytes())
    blob = shop.disk(record["layers"][0]["path"]) / "blob"
    blob.chmod(0o644)
    os.truncate(blob, 100)
    with pytest.raises(DamagedPath, match="damaged"):
        write(image, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_pipe_is_written_to(shop: Workshop, image: StorePath, tmp_path: Path) -> None:
    shop.tar(image, tmp_path / "a.tar")
    os.mkfifo(tmp_path / "pipe")
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    shop.tar(image, tmp_path / "pipe")
    reader.join(60)
    assert received == [(tmp_path / "a.tar").read_bytes()]
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("target", ["../outside/victim", "../outside/new", "../pipe"])
def test_a_link_to_another_directory_is_refused(shop: Workshop, image: StorePath, tmp_path: Path, target: str) -> None:
    """A cloned project may hold `app.tar`, a link to ~/.bashrc."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/victim").write_text("precious")
    (tmp_path / "project").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "project/app.tar").symlink_to(target)
    with pytest.raises(ExportError, match="another directory"):
        shop.tar(image, tmp_path / "project/app.tar")
    assert [p.read_text() for p in (tmp_path / "outside").iterdir()] == ["precious"]
    assert [p.name for p in (tmp_path / "project").iterdir()] == ["app.tar"]


def test_standard_output_is_no_link_to_another_directory(shop: Workshop, image: StorePath, tmp_path: Path) -> None:
    fd = os.open(tmp_path / "out.tar", os.O_WRONLY | os.O_CREAT)
    try:
        shop.tar(image, Path(f"/proc/self/fd/{fd}"))
    finally:
        os.close(fd)
    assert tarfile.is_tarfile(tmp_path / "out.tar")


@pytest.mark.parametrize("link", ["blobs", "blobs/sha256"])
def test_a_layout_whose_blobs_are_elsewhere_is_refused(
    shop: Workshop, image: StorePath, tmp_path: Path, link: str
) -> None:
    """Replacing a layout deletes the blobs that it had."""
    (tmp_path / "precious/sha256").mkdir(parents=True)
    for name in ("a", "sha256/b"):
        (tmp_path / "precious" / name).write_text("precious")
    shop.layout(image, tmp_path / "out")
    (tmp_path / "out" / link).rename(tmp_path / "away")
    (tmp_path / "out" / link).symlink_to(tmp_path / "precious" / ("" if link == "blobs" else "sha256"))
    with pytest.raises(ExportError, match="is a symlink"):
        shop.layout(image, tmp_path / "out")
    assert {p.name for p in (tmp_path / "precious").rglob("*")} == {"a", "sha256", "b"}


def test_a_link_is_followed(shop: Workshop, image: StorePath, tmp_path: Path) -> None:
    (tmp_path / "link.tar").symlink_to("real.tar")
    shop.tar(image, tmp_path / "link.tar")
    assert (tmp_path / "link.tar").is_symlink() and tarfile.is_tarfile(tmp_path / "real.tar")


def test_a_tar_does_not_replace_a_directory(shop: Workshop, image: StorePath, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="is a directory"):
        shop.tar(image, tmp_path)


class TestLayoutDirectories:
    def test_an_empty_one_is_used(self, shop: Workshop, image: StorePath, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        shop.layout(image, tmp_path / "out")
        walk(tmp_path / "out")

    def test_another_image_takes_the_place_of_the_first(self, shop: Workshop, image: StorePath, tmp_path: Path) -> None:
        shop.layout(image, tmp_path / "out")
        shop.layout(shop.image(shop.root({"x": {"a": b"x"}})), tmp_path / "out")
        walk(tmp_path / "out")

    def test_blobs_are_no_links_into_the_store(self, shop: Workshop, image: StorePath, tmp_path: Path) -> None:
        shop.layout(image, tmp_path / "out")
        assert {p.stat().st_nlink for p in (tmp_path / "out/blobs/sha256").iterdir()} == {1}

    @pytest.mark.parametrize("case", ["files", "file", "two images"])
    def test_what_is_someone_elses_is_left_alone(
        self, shop: Workshop, image: StorePath, tmp_path: Path, case: str
    ) -> None:
        out = tmp_path / "out"
        if case == "file":
            out.write_text("mine")
        else:
            out.mkdir()
            (out / "notes").write_text("mine")
        if case == "two images":
            (out / "oci-layout").write_text("{}")
            (out / "index.json").write_text('{"manifests": [{}, {}]}')
        before = files(out) if out.is_dir() else out.read_text()
        with pytest.raises(ExportError) as error:
            shop.layout(image, out)
        assert error.value.hint == "name an empty or a new directory"
        assert before == (files(out) if out.is_dir() else out.read_text())

    def test_other_files_in_a_layout_are_kept(self, shop: Workshop, image: StorePath, tmp_path: Path) -> None:
        shop.layout(image, tmp_path / "out")
        (tmp_path / "out/sbom.json").write_text("{}")
        shop.layout(image, tmp_path / "out")
        assert (tmp_path / "out/sbom.json").exists()


EVIL = "sha256:../../../victim"


@pytest.mark.parametrize(
    "change",
    [
        {"image_id": EVIL},
        {"digest": EVIL},
        {"image_id": "sha256:" + "0" * 64},
        {"name": "../x"},
        {"tag": "a/b"},
        {"arch": "vax"},
        {"format": 2},
        {"layers": None},
        {"layers": [{}]},
        {"layer": {"digest": EVIL}},
        {"layer": {"path": "/fpack/store/../../victim"}},
        {"layer": {"path": "victim"}},
        {"layer": {"size": -1}},
        {"layer": {"size": "1"}},
        {"layer": {"packages": [5]}},
        {"layer": {"diff_id": "x"}},
    ],
)
def test_a_record_that_a_project_made_up(
    shop: Workshop, image: StorePath, tmp_path: Path, change: dict[str, Any]
) -> None:
    """Its digests are places in a layout, and its paths are files to copy."""
    (tmp_path / "victim").write_text("precious")
    place = tmp_path / "forged"
    shutil.copytree(shop.disk(image), place)
    record = canonical.decode((place / "image").read_bytes())
    if "layer" in change:
        record["layers"][0].update(change["layer"])
    else:
        record.update(change)
    (place / "image").chmod(0o644)
    (place / "image").write_bytes(canonical.encode(record))
    with pytest.raises(StoreError):
        layout_directory.export_layout(oci.Bundle([shop.store.tree_at(place)], shop.tree), tmp_path / "a/b/out")
    assert (tmp_path / "victim").read_text() == "precious" and not (tmp_path / "a").exists()


@pytest.mark.parametrize("name", ["image", "config", "manifest"])
def test_the_documents_of_an_image_are_no_links(shop: Workshop, image: StorePath, tmp_path: Path, name: str) -> None:
    place = tmp_path / "forged"
    shutil.copytree(shop.disk(image), place)
    place.chmod(0o755)
    (place / name).rename(tmp_path / name)
    (place / name).symlink_to(tmp_path / name)
    with pytest.raises(StoreError):
        oci.Bundle([shop.store.tree_at(place)], shop.tree)


def test_a_blob_that_is_a_link_is_not_copied(shop: Workshop, image: StorePath, tmp_path: Path) -> None:
    (layer, *_) = canonical.decode((shop.disk(image) / "image").read_bytes())["layers"]
    blob = shop.disk(layer["path"]) / "blob"
    blob.parent.chmod(0o755)
    blob.rename(tmp_path / "secret")
    blob.symlink_to(tmp_path / "secret")
    with pytest.raises((StoreError, ExportError)):
        shop.tar(image, tmp_path / "a.tar")


@pytest.mark.parametrize("digest", [EVIL, "sha256:" + "A" * 64, "sha512:" + "0" * 64, "x"])
def test_a_blob_has_a_digest(digest: str) -> None:
    with pytest.raises(ValueError, match="not a digest"):
        spec.blob_path(digest)


def test_the_directory_of_blobs_is_synced_once_before_they_are_named(
    shop: Workshop, image: StorePath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = tmp_path / "layout/blobs/sha256"
    synced: list[bool] = []  # for each sync of the directory, whether a file names the blobs
    files: set[int] = set()  # the inodes that were synced before it
    real = os.fsync

    def fsync(fd: int) -> None:
        if os.path.samestat(os.fstat(fd), os.stat(blobs)):
            synced.append((tmp_path / "layout/index.json").exists())
        elif not synced:
            files.add(os.fstat(fd).st_ino)
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    shop.layout(image, tmp_path / "layout")
    assert len(list(blobs.iterdir())) > 2
    before = [*blobs.iterdir(), tmp_path / "layout/oci-layout"]
    assert synced == [False] and files == {path.stat().st_ino for path in before}


class ArrivingFile(NamedTuple):
    """A file from elsewhere."""

    size: int
    pieces: Callable[[], Iterator[bytes]]


class ArrivingImage:
    """An image whose blobs come from elsewhere."""

    index_json = docker_json = b"{}"

    def __init__(self, *files: ArrivingFile) -> None:
        self.blobs = {spec.blob_path(spec.describe("", bytes([n])).digest): file for n, file in enumerate(files)}

    def result(self, out: Path | None) -> dict[str, Any]:
        return {}


def test_a_layout_is_given_up_at_the_first_blob_that_fails(tmp_path: Path) -> None:
    begun = threading.Event()

    def endless() -> Iterator[bytes]:
        while True:
            begun.set()
            yield b"a"

    def failing() -> Iterator[bytes]:
        begun.wait()
        raise ValueError("it is not there")
        yield b""

    with pytest.raises(ValueError, match="it is not there"):
        layout_directory.export_layout(
            ArrivingImage(ArrivingFile(2, endless), ArrivingFile(1, failing)), tmp_path / "out"
        )
    assert not (tmp_path / "out").exists()


def test_additional_files_are_asked_for_while_blobs_arrive(tmp_path: Path) -> None:
    asked = threading.Event()

    def pieces() -> Iterator[bytes]:
        assert asked.wait(60)
        yield b"a"

    def extra() -> oci.Extra:
        asked.set()
        return {"fpack-a.json": b"{}"}

    layout_directory.export_layout(ArrivingImage(ArrivingFile(1, pieces)), tmp_path / "out", extra)
    assert (tmp_path / "out/fpack-a.json").exists() and len(list((tmp_path / "out/blobs/sha256").iterdir())) == 1


def test_an_interrupt_while_a_blob_is_handed_over_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()

    def endless() -> Iterator[bytes]:
        while True:
            yield b"a"
            begun.set()
            time.sleep(0.2)  # the writer's undo comes in this pause

    def submit(self: threads.Workers, work: Callable[[], object]) -> None:
        real(self, work)
        begun.wait()
        raise KeyboardInterrupt

    real = threads.Workers.submit
    monkeypatch.setattr(threads.Workers, "submit", submit)
    with pytest.raises(KeyboardInterrupt):
        layout_directory.export_layout(ArrivingImage(ArrivingFile(1, endless)), tmp_path / "out")
    assert not (tmp_path / "out").exists()
