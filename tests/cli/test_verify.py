"""`fpack verify` as people run it: every image that fpack makes is proven, and the exit status tells."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.manifest.format import Blob, encode_entry, encode_head
from fpack.builders.manifest.reader import Reader
from fpack.builders.verify import embedded
from fpack.builders.verify.archive import open_archive
from fpack.builders.verify.report import Report
from support.greeter import Greeter, greeter
from support.program import Fpack
from support.tamper import Image


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Greeter:
    return greeter(tmp_path_factory.mktemp("greeter") / "home")


def report(fpack: Fpack, *args: str | Path, status: int = 0, **options: Any) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(fpack("verify", "--json", *args, status=status, **options).stdout)
    return value


KINDS = [
    ("#image", "--compress", "zstd"),
    ("#image", "--compress", "gzip"),
    ("#image", "--compress", "none"),
    ("#image", "--compress", "zstd:19"),
    ("#everything",),
    ("debian.trixie.hello",),
]


@pytest.mark.parametrize("format_", ["tar", "oci-dir"])
@pytest.mark.parametrize("kind", KINDS, ids=[" ".join(kind) for kind in KINDS])
def test_every_kind_of_image_is_proven(made: Greeter, tmp_path: Path, kind: tuple[str, ...], format_: str) -> None:
    out = tmp_path / "image"
    packed = made.fpack.pack(*kind, "--format", format_, "-o", out, cwd=made.project)
    for options in ((), ("--manifest", packed["manifest"])):
        found = report(made.fpack, out, *options)
        assert found["proven"] and found["differences"] == [] and found["unchecked"] == []
        (image,) = found["images"]
        assert found["digest"] == packed["digest"] and image["image_id"] == packed["image_id"]
        assert image["layers"] == packed["layers"] and image["bytes"] >= packed["size_unpacked"] > 0
        assert image["packages"] and all(p["compared"] == "deb" and p["signed"] for p in image["packages"])


def test_people_are_told_what_was_proven(made: Greeter) -> None:
    text = made.fpack("verify", made.tar).stdout
    assert f"{made.tar}: proven" in text and "greeter:1.0" in text
    assert "the manifest in it" in text and "--manifest names one that you trust" in text
    assert "5 Debian packages: 5 compared with their .deb files, 5 in a signed index" in text
    trusted = made.fpack("verify", made.tar, "--manifest", made.manifest).stdout
    assert "trust" not in trusted and str(made.manifest) in trusted


def test_a_difference_is_told_and_fails(made: Greeter, tmp_path: Path) -> None:
    image = Image.load(made.tar)
    image.change("usr/bin/hello", mode=0o4755)
    place = image.save(tmp_path / "changed.tar")
    text = made.fpack("verify", place, status=1).stdout
    assert "NOT PROVEN" in text and ": proven" not in text
    assert "changed: /usr/bin/hello: its mode is 4755; the manifest has 0755  [layer" in text and "(hello)]" in text
    found = report(made.fpack, place, status=1)
    assert not found["proven"]
    one = next(each for each in found["differences"] if each["where"] == "/usr/bin/hello")
    assert one["kind"] == "changed" and "(hello)" in one["layer"]


def test_what_was_not_checked_is_told_and_fails_if_that_is_wanted(made: Greeter, tmp_path: Path) -> None:
    env = {"FPACK_ROOT": str(tmp_path / "nowhere"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = made.fpack("verify", made.tar, env=env)
    assert ": proven" in done.stdout and "not checked: the file of hello is not at hand" in done.stdout
    assert "5 Debian packages: 0 in a signed index" in done.stdout
    assert not (tmp_path / "nowhere").exists(), "no store is made to look into"
    strict = made.fpack("verify", "--strict", made.tar, env=env, status=1)
    assert "NOT PROVEN" in strict.stdout
    made.fpack("verify", "--strict", made.tar)


def test_the_manifest_beside_an_image_is_taken_if_it_carries_none(made: Greeter, tmp_path: Path) -> None:
    made.fpack.pack("--no-manifest", "-o", tmp_path / "bare.tar", cwd=made.project)
    message = made.fpack.fails("verify", tmp_path / "bare.tar")
    assert "carries no manifest" in message and "bare.manifest.json" in message and "--manifest" in message
    shutil.copy(made.manifest, tmp_path / "bare.manifest.json")
    found = report(made.fpack, tmp_path / "bare.tar")
    assert found["proven"] and found["images"][0]["manifest"]["from"] == str(tmp_path / "bare.manifest.json")


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("nothing.tar", "There is no image"),
        ("text", "not a tar"),
        (".", "no OCI layout"),
        ("/dev/null", "is a tar file"),
    ],
)
def test_what_is_no_image_is_an_error(made: Greeter, tmp_path: Path, image: str, words: str) -> None:
    (tmp_path / "text").write_text("hello" * 1000)
    assert words in made.fpack.fails("verify", image, cwd=tmp_path)
    assert words in made.fpack.fails("verify", image, "--manifest", made.manifest, cwd=tmp_path)


@pytest.mark.parametrize(
    ("manifest", "words"), [("nothing", "cannot be read"), ("text", "not a manifest"), (".", "cannot be read")]
)
def test_what_is_no_manifest_is_an_error(made: Greeter, tmp_path: Path, manifest: str, words: str) -> None:
    (tmp_path / "text").write_text("hello")
    assert words in made.fpack.fails("verify", made.tar, "--manifest", manifest, cwd=tmp_path)


def test_another_images_manifest_is_none_of_this_one(made: Greeter, tmp_path: Path) -> None:
    made.fpack.pack("#everything", "-o", tmp_path / "other.tar", cwd=made.project)
    found = report(made.fpack, tmp_path / "other.tar", "--manifest", made.manifest, status=1)
    kinds = {each["kind"] for each in found["differences"]}
    assert {"document", "layer", "manifest"} <= kinds


# Building again.


def test_the_image_is_built_again_from_its_manifest_alone(made: Greeter, tmp_path: Path) -> None:
    """Without the project, its lock, an index or the network: what was fetched before is at hand."""
    shutil.move(made.project, tmp_path / "project")
    try:
        env = {"FPACK_MIRROR": "debian=file:///nowhere only", "XDG_CACHE_HOME": str(tmp_path / "cache")}
        place = tmp_path / "project" / "greeter.tar"
        done = made.fpack("verify", "--rebuild", place, env=env)
        assert "built again from the manifest, it is the same" in done.stdout
        assert report(made.fpack, "--rebuild", place, env=env)["rebuilt"] is True
        assert os.listdir(made.fpack.home / "store" / "tmp") == []
    finally:
        shutil.move(tmp_path / "project", made.project)


def test_it_is_built_again_where_nothing_is_at_hand_but_the_archive(made: Greeter, tmp_path: Path) -> None:
    other = Fpack(tmp_path / "home", made.fpack.archive)
    made.fpack.pack("debian.trixie.hello", "-o", tmp_path / "hello.tar")
    assert "it is the same" in other("verify", "--rebuild", tmp_path / "hello.tar").stdout
    # A project's files are nowhere but there.
    message = other.fails("verify", "--rebuild", made.tar)
    assert "source is not on this machine" in message
    nowhere = {"FPACK_MIRROR": "debian=file:///nowhere only", "FPACK_ROOT": str(tmp_path / "empty")}
    message = other.fails("verify", "--rebuild", tmp_path / "hello.tar", env=nowhere)
    assert "name a mirror that still has it with --mirror" in message and "fpack update" not in message


def test_an_image_that_no_build_makes_is_caught(made: Greeter, tmp_path: Path) -> None:
    """An image and a manifest that agree, and derivations that make something else."""
    image = Image.load(made.tar)
    image.config["config"]["User"] = "0:0"
    files = image.files()
    entry = json.loads(files["index.json"])["manifests"][0]
    config = json.loads(files["blobs/" + entry["digest"].replace(":", "/")])["config"]
    (data,) = embedded.find(open_archive(made.tar, Report()))
    reader = Reader(data)
    about = reader.head.image._replace(
        manifest=Blob(entry["mediaType"], entry["digest"], entry["size"]),
        config=Blob(config["mediaType"], config["digest"], config["size"]),
        configuration=json.loads(files["blobs/" + config["digest"].replace(":", "/")]),
    )
    bodies = [reader.derivations[digest].encode() for digest in sorted(reader.derivations)]
    rows = [encode_entry(each) for _, entries in reader.entries() for each in entries]
    image.carry(b"".join([encode_head(reader.head._replace(image=about)), *bodies, *rows]))
    place = image.save(tmp_path / "lie.tar")
    made.fpack("verify", place)
    found = report(made.fpack, "--rebuild", place, status=1)
    assert {(each["kind"], each["where"]) for each in found["differences"]} == {
        ("rebuild", "config"),
        ("rebuild", "manifest"),
    }
    assert "it came out as" in made.fpack("verify", "--rebuild", place, status=1).stdout


def test_help_names_the_exit_statuses(made: Greeter) -> None:
    text = made.fpack("verify", "--help").stdout
    assert "0 if the image is proven" in text and "--rebuild" in text
    assert "verify" in made.fpack("--help").stdout
