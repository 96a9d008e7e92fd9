"""`fpack pull` makes the store paths of an image in a registry, and asks for no more than it needs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fpack.cli.images import image_file
from support.images.greeter import Greeter
from support.images.pushed import files_of, push, push_with_record
from support.processes.program import Fpack
from support.reports.evidence import verify_alone
from support.servers.registry import Registry, open_registry


class Puller(NamedTuple):
    """A user with an empty store, and a registry with an image."""

    fpack: Fpack
    registry: Registry
    digest: str
    path: str

    @property
    def reference(self) -> str:
        return f"{self.registry.host}/team/app:1.0"

    def pull(self, *words: str | Path, **options: Any) -> dict[str, Any]:
        found = self.fpack("pull", self.reference, "--json", "--plain-http", *words, **options).stdout
        return json.loads(found)  # type: ignore[no-any-return]

    def fails(self, *words: str | Path) -> str:
        done = self.fpack("pull", *words, "--plain-http", status=None)
        assert done.returncode, done.stdout
        return done.stderr


@pytest.fixture
def puller(made: Greeter, tmp_path: Path) -> Iterator[Puller]:
    path = image_file.manifest(image_file.read(made.tar)).head.image.path
    with Registry() as registry:
        digest = push_with_record(made.fpack, made.tar, open_registry(registry))
        registry.requests.clear()
        yield Puller(Fpack(tmp_path / "home", made.fpack.archive), registry, digest, path)


def test_an_image_is_pulled_into_an_empty_store(puller: Puller) -> None:
    found = puller.pull()
    assert (found["digest"], found["path"]) == (puller.digest, puller.path)
    assert found["fetched"] and found["path"] in found["added"] and not found["unchanged"]
    stored = json.loads(puller.fpack("store", "verify", "--json").stdout)
    assert stored["damaged"] == [] if "damaged" in stored else stored
    # What the store has is not asked for.
    puller.registry.requests.clear()
    again = puller.pull()
    assert again["unchanged"] and again["path"] == puller.path and not again["added"]
    assert [method for method, _ in puller.registry.requests if "/v2/team" in _] == ["HEAD"]


def test_the_text_tells_what_the_tag_is(puller: Puller) -> None:
    done = puller.fpack("pull", puller.reference, "--plain-http")
    assert done.stdout == f"{puller.path}\n"
    assert f"{puller.reference}: {puller.digest}" in done.stderr and "added" in done.stderr


def test_an_image_is_copied_to_a_file_without_a_store(puller: Puller, made: Greeter, tmp_path: Path) -> None:
    copied = puller.pull("-o", tmp_path / "copy.tar")
    assert (copied["digest"], copied["path"], copied["added"]) == (puller.digest, None, [])
    puller.pull("-o", tmp_path / "copy.oci")
    mine = files_of(made.tar)
    for copy in (tmp_path / "copy.tar", tmp_path / "copy.oci"):
        found = files_of(copy)
        assert {name: data for name, data in found.items() if name in mine and "/" in name} == {
            name: data for name, data in mine.items() if "/" in name
        }
        assert verify_alone(copy).digest == puller.digest
    root = Path(puller.fpack.env["FPACK_ROOT"]) / "store"
    assert not root.exists() or not list(root.iterdir())
    # What a layout has is not fetched again.
    assert copied["fetched"] > 0 and puller.pull("-o", tmp_path / "copy.oci")["fetched"] == 0


@pytest.mark.parametrize("name", ["copy.tar", "copy.oci"])
def test_a_copy_of_wrong_content_is_not_left(puller: Puller, tmp_path: Path, name: str) -> None:
    layers = json.loads(puller.registry.stored("team/app").manifests[puller.digest][1])["layers"]
    blobs = puller.registry.stored("team/app").blobs
    data = blobs[layers[0]["digest"]]
    blobs[layers[0]["digest"]] = bytes([data[0] ^ 1]) + data[1:]
    text = puller.fails(puller.reference, "-o", tmp_path / name)
    assert layers[0]["digest"] in text
    assert not (tmp_path / name).exists()


def test_an_image_of_others_is_copied(puller: Puller, made: Greeter, tmp_path: Path) -> None:
    push(made.tar, open_registry(puller.registry, name="team/other"), referrers=False)
    done = puller.fpack("pull", f"{puller.registry.host}/team/other:1.0", "--plain-http", "-o", tmp_path / "copy.tar")
    assert done.stdout == f"{puller.digest}\n" and "fetched" in done.stderr
    assert f"blobs/sha256/{puller.digest[7:]}" in files_of(tmp_path / "copy.tar")


def test_only_the_missing_paths_are_fetched(puller: Puller) -> None:
    first = puller.pull()
    puller.fpack("gc")
    assert not puller.pull()["unchanged"]
    assert first["added"]


def test_images_of_others_are_refused_with_what_can_be_done(puller: Puller, made: Greeter) -> None:
    repository = open_registry(puller.registry, name="team/other")
    push(made.tar, repository, referrers=False)
    text = puller.fails(f"{puller.registry.host}/team/other:1.0")
    assert "fpack try" in text and "no store paths" in text
    push(made.tar, repository)
    text = puller.fails(f"{puller.registry.host}/team/other:1.0")
    assert "no record of its store paths" in text and "fpack push" in text


def test_a_platform_that_the_image_is_not_for(puller: Puller) -> None:
    text = puller.fails(puller.reference, "--platform", "linux/s390x")
    assert "There is no image for linux/s390x" in text


def test_a_text_that_is_no_reference(puller: Puller) -> None:
    assert "is not a reference" in puller.fails("app")
    assert "There is no image" in puller.fails(f"{puller.registry.host}/team/app:2")


def test_a_layer_that_is_missing_is_one_error(puller: Puller) -> None:
    puller.registry.fail("GET .*/blobs/", 404, times=None)
    text = puller.fails(puller.reference)
    assert text.count("error: ") == 1, text
    assert not puller.fpack("store", "list", status=None).stdout


def largest(made: Greeter) -> str:
    layers = [layer.blob for layer in image_file.read(made.tar).layers if layer.blob is not None]
    return max(layers, key=lambda blob: blob.size).digest


@pytest.mark.parametrize("fault", ["corrupt", "endless"])
def test_a_registry_that_sends_other_content_is_refused(puller: Puller, made: Greeter, fault: str) -> None:
    getattr(puller.registry, fault)(f"GET .*/blobs/{largest(made)}")
    text = puller.fails(puller.reference)
    assert text.count("error: ") == 1, text
    assert puller.fpack("store", "list").stdout.startswith("0 paths")
    puller.registry.heal()
    assert puller.pull()["path"] == puller.path


def test_a_broken_connection_goes_on_from_where_it_broke(puller: Puller, made: Greeter) -> None:
    puller.registry.drop(f"GET .*/blobs/{largest(made)}", 100, times=1)
    assert puller.pull()["path"] == puller.path


def test_a_copy_loads_nothing_that_unpacks_images_or_evaluates() -> None:
    """Loading it takes longer than to copy a small image."""
    code = "import sys, fpack.cli.verbs.pull, fpack.cli.images.pull.file; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = ("image_intake", "carried_sources", "workspace", "evaluator", "sqlite3")
    assert [name for name in done.stdout.split() if name.rpartition(".")[2] in heavy] == []
