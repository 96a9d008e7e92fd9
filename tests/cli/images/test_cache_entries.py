"""A pushed image is a cache: its layers are the entries, and no byte of them is sent twice."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.caches.cache import Cache, CacheFiles
from support.archives.archive import file
from support.archives.machines import small_world
from support.fixtures import registry as registry
from support.processes.program import Fpack
from support.servers.registry import Registry, open_registry

PROJECT = """
debian = import("fpack/debian").trixie
note = text("note", "some words")
image = container {
  name = "app"
  tag = "1.0"
  packages = [debian.greet]
  closure = "linked"
  env = { DATA = "${./data}", NOTE = "${note}" }
}
"""
LAYER = "application/vnd.oci.image.layer.v1.tar"


class Team:
    """Two users of a project. Builds of the first push to a cache, whose key the second trusts."""

    def __init__(self, place: Path, registry: Registry, repository: str) -> None:
        self.place = place
        self.registry = registry
        archive = small_world(place / "archive")
        self.one, self.two = (Fpack(place / name, archive) for name in ("one", "two"))
        for user in (self.one, self.two):
            (user.home / "data").mkdir()
            (user.home / "data" / "words").write_bytes(random.Random(1).randbytes(200_000))
            (user.home / "fpack.fp").write_text(PROJECT)
        self.one("key", "generate", "-o", place / "ci.pem")
        self.address = f"oci://{registry.host}/{repository}"
        self.pushing = {"FPACK_CACHE_PUSH": self.address, "FPACK_CACHE_SIGN_WITH": str(place / "ci.pem")}
        self.two.env |= {"FPACK_CACHES": self.address, "FPACK_CACHE_KEYS": str(place / "ci.pub")}

    def push(self, **env: str) -> dict[str, Any]:
        reference = f"{self.registry.host}/team/app:1.0"
        return self.one.pack("#image", "--push", reference, "--plain-http", "--no-manifest", env=env)

    def layers(self) -> list[dict[str, Any]]:
        """Return the layers of the pushed image."""
        found = open_registry(self.registry).manifest("1.0")
        assert found is not None
        rows: list[dict[str, Any]] = json.loads(found.data)["layers"]
        return rows

    def cache(self) -> Cache:
        place = self.place / "opened"
        repository = open_registry(self.registry, name=self.address.partition("://")[2].partition("/")[2])
        opened = Cache(self.address, repository, (), CacheFiles(place / "copies", place / "memory"))
        opened.refresh()
        return opened


@pytest.mark.parametrize("repository", ["team/app", "team/cache"])
def test_an_image_is_a_cache(registry: Registry, tmp_path: Path, repository: str) -> None:
    team = Team(tmp_path, registry, repository)
    team.push()  # nothing is in the cache yet
    plain = registry.received
    layers = {row["digest"]: row["size"] for row in team.layers()}
    registry.clear()
    team.push(**team.pushing)
    # What the cache adds is an index, and a pack of what describes the layers.
    assert registry.received < sum(layers.values()) < plain
    assert not layers.keys() & set(uploads(registry))
    cache = team.cache()
    records = [record for _, index in cache.indexes for base in index.paths if (record := cache.record(base))]
    assert {file.blob_digest: file.size for record in records for file in record.files} == layers
    assert {record.path.name for record in records if record.is_layer} >= {"data", "note"}
    # The other user takes the layers and the store paths in them.
    registry.clear()
    packed = team.two.pack("#image", "--format", "oci-dir", "-o", tmp_path / "copy")
    assert {row["digest"] for row in json.loads(blob(tmp_path / "copy", packed["digest"]))["layers"]} == layers.keys()
    made = {(entry["kind"], entry["outcome"]) for entry in history(team.two) if entry["kind"] in ("layer", "image")}
    assert made == {("layer", "substituted"), ("image", "built")}
    # A store path comes from the layer that has it, and needs no trust.
    third = Fpack(tmp_path / "third")
    paths = [str(record.path) for record in records if record.is_layer]
    registry.clear()
    assert third("cache", "pull", *paths, "--from", team.address).stdout.splitlines() == paths
    read = {path.rpartition("/")[2] for method, path in registry.requests if method == "GET" and "/blobs/" in path}
    assert {record.blob_digest for record in records if record.is_layer} <= read
    third("store", "verify")
    # A push that changes nothing is one request, with the entries as well.
    registry.clear()
    team.push(**team.pushing)
    assert registry.requests == [("HEAD", "/v2/team/app/manifests/1.0")]


def uploads(registry: Registry) -> list[str]:
    """Return the digests of the blobs that were sent, once for each time."""
    sent = [path for method, path in registry.requests if method == "PUT" and "digest=" in path]
    return [path.rpartition("digest=")[2].replace("%3A", ":") for path in sent]


@pytest.mark.parametrize("repository", ["team/app", "team/cache"])
def test_layers_that_builds_pushed_are_not_sent_again(registry: Registry, tmp_path: Path, repository: str) -> None:
    team = Team(tmp_path, registry, repository)
    team.push(**team.pushing)
    layers = {row["digest"] for row in team.layers()}
    sent = [digest for digest in uploads(registry) if digest in layers]
    assert sorted(sent) == sorted(layers)


def test_packages_of_the_archive_are_not_sent(registry: Registry, tmp_path: Path) -> None:
    """A package is sent as its slice, from which others make roots, and as the layer of the image; not as a .deb."""
    team = Team(tmp_path, registry, "team/cache")
    words = random.Random(5).randbytes(900_000)
    assert team.one.archive is not None
    team.one.archive.add("greet-data", "2.0", arch="all", files={"usr/share/greet/words": file(words)})
    team.one.archive.publish()
    team.push(**team.pushing)
    cache = team.cache()
    records = [record for _, index in cache.indexes for base in index.paths if (record := cache.record(base))]
    assert not [record.path for record in records if record.path.name.endswith(".deb")]
    layers = sum(row["size"] for row in team.layers())
    (piece,) = [record for record in records if record.path.name == "greet-data-2.0-slice"]
    assert piece.size < registry.received - layers < piece.length + 50_000
    # The other user builds with another root: the payload comes from the archive.
    text = (team.two.home / "fpack.fp").read_text()
    (team.two.home / "fpack.fp").write_text(text.replace("[debian.greet]", "[debian.greet, debian.wave]"))
    team.two.pack("#image", "--format", "oci-dir", "-o", tmp_path / "copy")
    made = {(entry["kind"], entry["outcome"]) for entry in history(team.two) if entry["name"].startswith("greet-data")}
    assert ("slice", "substituted") in made


def blob(layout: Path, digest: str) -> bytes:
    return (layout / "blobs" / digest.replace(":", "/")).read_bytes()


def history(user: Fpack) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(user("history", "--json").stdout)["builds"]
    return rows


def test_a_file_is_a_cache_too(registry: Registry, tmp_path: Path) -> None:
    """An image that was packed before is found in the store. Without its store, there are no entries."""
    team = Team(tmp_path, registry, "team/cache")
    team.one.pack("#image", "-o", tmp_path / "app.tar")
    reference = f"{registry.host}/team/app:1.0"
    words = ("push", tmp_path / "app.tar", reference, "--plain-http")
    without = team.one(*words, env={**team.pushing, "FPACK_ROOT": str(tmp_path / "empty")})
    assert "can be substituted" not in without.stderr and not registry.stored("team/cache").tags
    assert "can be substituted" not in team.one(*words, "--no-caches", env=team.pushing).stderr
    assert f"can be substituted from {team.address}" in team.one(*words, env=team.pushing).stderr
    sizes = {row["digest"]: row["size"] for row in team.layers()}
    cache = team.cache()
    assert {file.blob_digest for _, index in cache.indexes for base in index.paths
            if (record := cache.record(base)) for file in record.files} == sizes.keys()  # fmt: skip
    registry.clear()
    assert "can be substituted" not in team.one(*words, env=team.pushing).stderr
    assert registry.requests == [("HEAD", "/v2/team/app/manifests/1.0")]


def test_a_cache_that_fails_fails_no_push(registry: Registry, tmp_path: Path) -> None:
    team = Team(tmp_path, registry, "team/cache")
    team.one.pack("#image", "-o", tmp_path / "app.tar")
    registry.fail("PUT /v2/team/cache/manifests/", 403)
    words = ("push", tmp_path / "app.tar", f"{registry.host}/team/app:1.0", "--plain-http")
    done = team.one(*words, env=team.pushing)
    assert "the image is pushed, but the cache" in done.stderr
    registry.heal()
    assert "can be substituted" in team.one(*words, env=team.pushing).stderr


@pytest.mark.parametrize(("repository", "mounts"), [("team/app", True), ("team/cache", True), ("team/cache", False)])
def test_a_path_in_a_layer_that_the_registry_has_is_not_sent(tmp_path: Path, repository: str, mounts: bool) -> None:
    """The image was pushed without a cache; a path of it is pushed by itself later."""
    with Registry(mounts=mounts) as registry:
        team = Team(tmp_path, registry, repository)
        team.one.pack("#image", "--push", f"{registry.host}/team/app:1.0", "--plain-http")
        layers = {row["digest"] for row in team.layers()}
        (team.one.home / "words.fp").write_text('words = text("note", "some words")\n')
        registry.clear()
        words = ("cache", "push", "words.fp#words", "--to", team.address, "--key", tmp_path / "ci.pem", "--json")
        done = json.loads(team.one(*words).stdout)
        record = team.cache().record(done["pushed"][0].rpartition("/")[2])
        assert record is not None and record.is_layer == mounts and (record.blob_digest in layers) == mounts
        assert (done["bytes"] == 0) == mounts and registry.received < 10_000
        third = Fpack(tmp_path / "third")
        assert third("cache", "pull", *done["pushed"], "--from", team.address).stdout.split() == done["pushed"]


def test_what_one_repository_has_is_mounted_in_another(registry: Registry, tmp_path: Path) -> None:
    """An image and two caches: the first cache gets what the image lacks, the second one nothing."""
    team = Team(tmp_path, registry, "team/cache")
    team.one.pack("#image", "--push", f"{registry.host}/team/app:1.0", "--plain-http")
    layers = {row["digest"] for row in team.layers()}
    for number, cache in enumerate(("team/cache", "team/other")):
        registry.clear()
        words = ("cache", "push", "#image", "--to", f"oci://{registry.host}/{cache}", "--key", tmp_path / "ci.pem")
        done = json.loads(team.one(*words, "--json").stdout)
        assert done["pushed"] and (done["bytes"] == 0) == bool(number)
        assert not layers & set(uploads(registry)) and layers <= registry.stored(cache).blobs.keys()
    # The other way round: an image finds its layers in a cache.
    registry.clear()
    team.one.pack("#image", "--push", f"{registry.host}/team/third:1.0", "--plain-http")
    assert not layers & set(uploads(registry))
