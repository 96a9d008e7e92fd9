"""Caches on the command line: push, substitute, pull, check, collect, and whom to trust."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.archives.archive import Archive
from support.processes.program import Fpack, world

PROJECT = """
words = text("words", "some words")
more = text("more", "it uses ${words}")
"""


class Users:
    """Two users of one project and one cache. The second trusts the key of the first."""

    def __init__(self, place: Path, archive: Archive) -> None:
        self.place = place
        self.address = f"file://{place / 'cache'}"
        self.one, self.two = (Fpack(place / name, archive) for name in ("one", "two"))
        for user in (self.one, self.two):
            (user.home / "fpack.fp").write_text(PROJECT)
        self.one("key", "generate", "-o", str(place / "ci.pem"))
        self.two.env |= {"FPACK_CACHES": self.address, "FPACK_CACHE_KEYS": str(place / "ci.pub")}

    def push(self, *words: str) -> str:
        return self.one("cache", "push", *words, "--to", self.address, "--key", str(self.place / "ci.pem")).stderr


@pytest.fixture
def users(tmp_path: Path, archive: Archive) -> Users:
    return Users(tmp_path, archive)


def outcomes(user: Fpack) -> set[str]:
    return {entry["outcome"] for entry in json.loads(user("history", "--json").stdout)["builds"]}


def test_a_build_is_substituted(users: Users) -> None:
    assert "2 paths pushed" in users.push("#more")
    assert "0 paths pushed" in users.push("#more")
    done = users.two("build", "#more", "--no-link")
    assert done.stdout == users.one("build", "#more", "--no-link").stdout
    assert outcomes(users.two) == {"substituted"}


def test_no_caches_builds(users: Users) -> None:
    users.push("#more")
    users.two("build", "#more", "--no-link", "--no-caches")
    assert outcomes(users.two) == {"built"}


def test_pull_builds_nothing(users: Users) -> None:
    users.push("#words")
    done = users.two("cache", "pull", "#words", "#more", status=1)
    assert "No cache has #more" in done.stderr
    (path,) = users.two("cache", "pull", "#words").stdout.splitlines()
    # A path needs no trust: it proves itself.
    del users.two.env["FPACK_CACHE_KEYS"]
    users.two.env["FPACK_ROOT"] = str(users.place / "other")
    users.two("cache", "pull", "#words", status=1)
    assert users.two("cache", "pull", path).stdout.splitlines() == [path]


def test_a_project_cannot_choose_whom_to_ask_and_believe(users: Users) -> None:
    users.push("#more")
    del users.two.env["FPACK_CACHES"]
    (users.two.home / "fpack.fp").write_text(f'{PROJECT}caches = ["{users.address}"]\n')
    done = users.two("build", "#words", "--no-link")
    assert f"fpack cache trust {users.address}" in done.stderr
    assert outcomes(users.two) == {"built"}
    users.two("cache", "trust", users.address)
    users.two("build", "#more", "--no-link")
    assert outcomes(users.two) == {"built", "substituted"}


def test_builds_push_to_a_cache(users: Users) -> None:
    users.one.env |= {"FPACK_CACHE_PUSH": users.address, "FPACK_CACHE_SIGN_WITH": str(users.place / "ci.pem")}
    users.one("build", "#more", "--no-link")
    users.two("build", "#more", "--no-link")
    assert outcomes(users.two) == {"substituted"}


def test_a_cache_that_does_not_exist_fails_no_build(users: Users) -> None:
    users.two("build", "#more", "--no-link")
    assert outcomes(users.two) == {"built"}
    users.two.env["FPACK_CACHES"] = "oci://127.0.0.1:9/none"
    done = users.two("build", "-e", 'text("new", "new")', "--no-link")
    assert done.stderr.count("the cache oci://127.0.0.1:9/none is not used") == 1


def test_check_tells_what_is_missing(users: Users) -> None:
    users.push("#more")
    assert "2 paths" in users.two("cache", "check", "--content").stdout
    blobs = users.place / "cache" / "blobs" / "sha256"
    largest = max(blobs.iterdir(), key=lambda path: path.read_bytes().count(b"\x28\xb5\x2f\xfd"))
    largest.unlink()
    assert "is missing" in users.two("cache", "check", status=1).stdout


def test_challenge_compares(users: Users) -> None:
    users.push("#words")
    done = users.two("challenge", "#words", "--rebuild")
    assert "words: agree" in done.stdout
    assert str(users.place / "ci.pub") in done.stdout


def test_push_needs_a_key(users: Users) -> None:
    done = users.one("cache", "push", "#words", "--to", users.address, status=2)
    assert "No key is named" in done.stderr
    users.one("cache", "push", "#words", "--to", users.address, "--no-sign")


IMAGE = """
debian = import("fpack/debian").trixie
image = container { name = "greeter", packages = [debian.hello], closure = "linked" }
"""


def test_an_image_is_packed_from_what_a_cache_has(tmp_path: Path) -> None:
    users = Users(tmp_path, world(tmp_path / "archive"))
    for user in (users.one, users.two):
        (user.home / "fpack.fp").write_text(IMAGE)
    users.one("lock")
    (users.two.home / "fpack.lock").write_bytes((users.one.home / "fpack.lock").read_bytes())
    users.one("pack", "-o", "image.tar")
    users.push("#image", "--inputs")
    users.two("pack", "-o", "image.tar")
    builds = json.loads(users.two("history", "--json").stdout)["builds"]
    assert {(entry["kind"], entry["outcome"]) for entry in builds} == {("image", "substituted"), ("manifest", "built")}
    one, two = ((user.home / "image.tar").read_bytes() for user in (users.one, users.two))
    assert one == two
    assert users.two("why", "#image", "hello").stdout == users.one("why", "#image", "hello").stdout


def test_a_new_machine_packs_what_builds_pushed_without_building_or_downloading(tmp_path: Path) -> None:
    users = Users(tmp_path, world(tmp_path / "archive"))
    for user in (users.one, users.two):
        (user.home / "fpack.fp").write_text(IMAGE)
    users.one.env |= {"FPACK_CACHE_PUSH": users.address, "FPACK_CACHE_SIGN_WITH": str(users.place / "ci.pem")}
    users.one("pack", "--sbom", "-o", "image.tar")
    (users.two.home / "fpack.lock").write_bytes((users.one.home / "fpack.lock").read_bytes())
    users.two("pack", "--sbom", "-o", "image.tar")
    builds = json.loads(users.two("history", "--json").stdout)["builds"]
    made = {(entry["kind"], entry["outcome"]) for entry in builds}
    assert made == {("image", "substituted"), ("manifest", "substituted"), ("sbom", "substituted")}
    for name in ("image.tar", "image.manifest.json", "image.spdx.json"):
        one, two = ((user.home / name) for user in (users.one, users.two))
        assert not one.exists() or one.read_bytes() == two.read_bytes()
    # A later change of the image's settings needs neither packages nor layers, and its manifest knows their origin.
    (users.two.home / "fpack.fp").write_text(IMAGE.replace('linked"', 'linked", env = { A = "b" }'))
    users.two("pack", "-o", "changed.tar")
    assert users.two("why", "changed.tar", "hello").stdout == users.one("why", "image.tar", "hello").stdout
    users.two("verify", "changed.tar")


def test_without_caches_their_modules_are_not_loaded(users: Users) -> None:
    program = (
        "import sys; from fpack.cli.main import main; main(['build', '#more', '--no-link']); "
        "rooms = ('fpack.builders.caches', 'fpack.builders.distribution'); "
        "print([name for name in sys.modules if name.startswith(rooms)])"
    )
    env = {name: value for name, value in users.one.env.items() if not name.startswith("FPACK_CACHE")}
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, cwd=users.one.home, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
