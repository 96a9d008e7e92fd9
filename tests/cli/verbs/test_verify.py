"""`fpack verify` as people run it: what an image is shown to be, in words and by the exit status."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.manifest.encoding import encode_entry, encode_head
from fpack.builders.manifest.format import Blob, Origin
from fpack.builders.manifest.reader import ManifestReader
from fpack.builders.verify import embedded_manifest
from fpack.builders.verify.findings import Report
from fpack.builders.verify.image_archive import open_archive
from fpack.cli.ui.verification import _others
from support.images.forge import Forgery
from support.images.greeter import Greeter
from support.images.tamper import Image, node
from support.processes.program import Fpack
from support.reports.evidence import verify_alone


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
def test_every_kind_of_image_is_as_its_manifest_says(
    made: Greeter, tmp_path: Path, kind: tuple[str, ...], format_: str
) -> None:
    out = tmp_path / "image"
    packed = made.fpack.pack(*kind, "--format", format_, "-o", out, cwd=made.project)
    for options, claim in (((), "self-consistent"), (("--manifest", packed["manifest"]), "given")):
        found = report(made.fpack, out, *options)
        assert found["claim"] == claim and found["success"]
        assert found["differences"] == [] and found["unchecked"] == []
        (image,) = found["images"]
        assert found["digest"] == packed["digest"] and image["image_id"] == packed["image_id"]
        assert image["layers"] == packed["layers"] and image["bytes"] >= packed["size_unpacked"] > 0
        assert image["packages"] and all(p["compared"] == "deb" and p["signed"] for p in image["packages"])


def test_people_are_told_what_was_shown(made: Greeter) -> None:
    text = made.fpack("verify", made.tar).stdout
    assert f"{made.tar}: self-consistent" in text and "greeter:1.0" in text and "proven" not in text
    assert "the manifest in it" in text and "--manifest names one that you trust" in text
    assert "6 Debian packages: 6 compared with their .deb files, 6 in a signed index of Debian's" in text
    assert "Debian signed trixie on 20" in text
    trusted = made.fpack("verify", made.tar, "--manifest", made.manifest).stdout
    assert f"{made.tar}: proven" in trusted and "trust" not in trusted and str(made.manifest) in trusted


def test_the_names_of_a_renamed_image_are_told(made: Greeter, tmp_path: Path) -> None:
    image = Image.load(made.tar)
    image.index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"] = "stable\x1b[2J"
    text = made.fpack("verify", image.save(tmp_path / "renamed.tar"), "--manifest", made.manifest).stdout
    assert "proven" in text and "  named stable?[2J here: names are no part of an image's content\n" in text


def test_what_is_from_elsewhere_is_counted_and_named(made: Greeter, tmp_path: Path) -> None:
    text = made.fpack("verify", made.tar).stdout
    assert "  11 entries are from elsewhere:\n" in text
    assert "    /etc/motd: the container's own\n" in text and "    /etc/passwd: made by fpack, rule accounts\n" in text
    assert "    /srv/data: its mode and owner are no package's, 0700 999:999\n" in text
    assert "-data/one.txt: built, kind source\n" in text and "-note: built, kind text\n" in text
    (image,) = report(made.fpack, made.tar)["images"]
    assert len(image["others"]) == 11 and image["others"][0].keys() == {
        *("path", "kind", "mode", "uid", "gid", "origin", "detail")
    }
    project = tmp_path / "project"
    project.mkdir()
    many = " ".join(f'"/srv/{number:03}" = "x"' + "\n" for number in range(30))
    (project / "fpack.fp").write_text(
        'debian = import("fpack/debian").trixie\n'
        f"image = container {{\npackages = [debian.hello]\nfiles = {{\n{many}}}\n}}\n"
    )
    packed = made.fpack.pack("-o", tmp_path / "many.tar", cwd=project)
    text = made.fpack("verify", packed["file"]).stdout
    assert "32 entries are from elsewhere" in text and "/srv/017:" in text and "/srv/018:" not in text
    assert "and 12 more (-v and --json show all)" in text
    assert "/srv/029:" in made.fpack("verify", "-v", packed["file"]).stdout
    assert len(report(made.fpack, packed["file"])["images"][0]["others"]) == 32


def test_what_scripts_made_is_counted_and_set_id_files_are_named(made: Greeter, tmp_path: Path) -> None:
    forgery = Forgery(made.tar)
    origin = Origin("configured", "", "hello", "postinst", bytes(32))
    for number in range(3):
        forgery.put("root", node(f"etc/made/{number}"), origin=origin)
    forgery.put("root", node("usr/bin/evil", b"evil", mode=0o4755), origin=origin)
    text = made.fpack("verify", forgery.save(tmp_path / "made.tar"), status=1).stdout
    assert "package hello: its postinst differs" in text
    line = next(text for text in _others_of(forgery, made) if "made by Debian's scripts, " in text and "-v" in text)
    assert line == "    3 made by Debian's scripts, as the manifest says; --rebuild shows it (-v and --json show all)"
    assert (
        "    /usr/bin/evil: made by maintainer scripts, postinst of hello, set-id, mode 4755, owner 0:0"
        in _others_of(forgery, made)
    )
    assert sum("/etc/made/" in line for line in _others_of(forgery, made, verbose=True)) == 3
    rebuilt = _others_of(forgery, made, proven=4)
    assert not any("Debian's scripts" in line for line in rebuilt)
    assert rebuilt[0].startswith(f"  {int(_others_of(forgery, made)[0].split()[0]) - 4} entries")


def _others_of(forgery: Forgery, made: Greeter, proven: int = 0, verbose: bool = False) -> list[str]:
    outcome = verify_alone(forgery.save(made.tar.with_name("forged.tar")))
    return _others(outcome.images[0], proven, verbose)


def test_strict_allows_just_as_many_as_are_named(made: Greeter) -> None:
    refused = made.fpack("verify", "--strict", made.tar, status=1).stdout
    assert "REFUSED: 11 entries are from elsewhere\n" in refused and "self-consistent" not in refused
    for number in ("0", "10", "12"):
        text = made.fpack("verify", "--strict", "--allow-other", number, made.tar, status=1).stdout
        assert "REFUSED: 11 entries are from elsewhere" in text
        assert not report(made.fpack, "--allow-other", number, made.tar, status=1)["success"], "it implies --strict"
    assert "10 are allowed" in made.fpack("verify", "--allow-other", "10", made.tar, status=1).stdout
    for options in (("--strict", "--allow-other", "11"), ("--allow-other", "11")):
        assert report(made.fpack, *options, made.tar)["success"]
    trusted = made.fpack("verify", "--strict", made.tar, "--manifest", made.manifest, status=1).stdout
    assert "proven" not in trusted


def test_what_a_container_does_is_shown(made: Greeter) -> None:
    text = made.fpack("verify", made.tar).stdout
    assert "configuration, which the image's author chose and no archive signs:" in text
    assert '    Entrypoint: ["/usr/bin/hello"]\n' in text and '    User: "65534:65534"\n' in text
    assert "GREETING=hi" in text
    packed = made.fpack.pack("debian.trixie.hello", "-o", "plain.tar")
    assert '    User: "root"\n' in made.fpack("verify", packed["file"]).stdout


def test_a_difference_is_told_and_fails(made: Greeter, tmp_path: Path) -> None:
    image = Image.load(made.tar)
    image.change("usr/bin/hello", mode=0o4755)
    place = image.save(tmp_path / "changed.tar")
    text = made.fpack("verify", place, status=1).stdout
    assert "DIFFERS" in text and "proven" not in text and "self-consistent" not in text
    assert "changed: /usr/bin/hello: its mode is 4755; the manifest has 0755  [layer" in text and "(hello)]" in text
    found = report(made.fpack, place, status=1)
    assert found["claim"] is None and not found["success"]
    one = next(each for each in found["differences"] if each["where"] == "/usr/bin/hello")
    assert one["kind"] == "changed" and "(hello)" in one["layer"]


@pytest.fixture
def elsewhere(tmp_path: Path) -> dict[str, str]:
    """Return the environment of another machine, where nothing is at hand."""
    return {"FPACK_ROOT": str(tmp_path / "nowhere"), "XDG_CACHE_HOME": str(tmp_path / "cache")}


def unchecked(fpack: Fpack, *args: str | Path, env: dict[str, str]) -> str:
    """What is told of an image of which not all can be checked: no success, in words and numbers."""
    for options in ((), ("--strict", "--allow-other", "11")):
        done = fpack("verify", *args, *options, env=env, status=6)
        assert (
            "NOT FULLY CHECKED" in done.stdout and "proven" not in done.stdout and "self-consistent" not in done.stdout
        )
    found = report(fpack, *args, env=env, status=6)
    assert found["claim"] is None and not found["success"] and found["unchecked"] and not found["differences"]
    return done.stdout


@pytest.mark.parametrize("trusted", [False, True])
def test_what_was_not_checked_is_no_success(made: Greeter, elsewhere: dict[str, str], trusted: bool) -> None:
    options = ("--manifest", made.manifest) if trusted else ()
    text = unchecked(made.fpack, "--offline", made.tar, *options, env=elsewhere)
    assert "not checked: the file of hello is not available" in text
    assert "not checked: 6 packages are not compared with what the archive has: " in text
    assert "6 Debian packages: 0 in a signed index" in text
    assert not Path(elsewhere["FPACK_ROOT"]).exists(), "no store is made to look into"
    made.fpack("verify", "--offline", made.tar, *options)
    assert "leave out --offline" in made.fpack.fails("verify", "--offline", "--rebuild", made.tar)


def test_what_is_not_here_is_fetched_and_not_kept(made: Greeter, elsewhere: dict[str, str], tmp_path: Path) -> None:
    env = {**elsewhere, "TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()
    done = made.fpack("verify", made.tar, env=env)
    assert "self-consistent" in done.stdout and done.stderr.startswith("Fetching from the archive")
    assert "6 compared with their .deb files, 6 in a signed index" in done.stdout
    assert "fetch hello 2.10-3\n" in made.fpack("verify", "-v", made.tar, env=env).stderr
    assert not Path(elsewhere["FPACK_ROOT"]).exists() and not Path(elsewhere["XDG_CACHE_HOME"]).exists()
    assert not list((tmp_path / "tmp").iterdir())


def test_an_archive_that_cannot_be_reached_or_lost_something_is_no_success(
    made: Greeter, elsewhere: dict[str, str], tmp_path: Path
) -> None:
    nobody = {**elsewhere, "FPACK_MIRROR": "debian=http://127.0.0.1:9/debian only"}
    assert "The server cannot be reached" in unchecked(made.fpack, made.tar, env=nobody)
    assert made.fpack.archive is not None
    folder = tmp_path / "archive"
    shutil.copytree(made.fpack.archive.folder, folder)
    lost = {**elsewhere, "FPACK_MIRROR": made.fpack.archive.mirror_at(folder.as_uri())}
    made.fpack("verify", made.tar, env=lost)
    (deb,) = folder.glob("debian/pool/**/hello_*.deb")
    deb.unlink()
    text = unchecked(made.fpack, made.tar, env=lost)
    assert "the file of hello is unavailable" in text
    assert "1 package is not compared with what the archive has: hello" in text
    shutil.rmtree(folder / "debian" / "dists")
    text = unchecked(made.fpack, made.tar, env=lost)
    assert "the index of trixie is unavailable" in text


def test_an_archive_that_answers_otherwise_is_no_success(
    made: Greeter, elsewhere: dict[str, str], tmp_path: Path
) -> None:
    """A mirror is anybody: what it answers is known by its digest."""
    assert made.fpack.archive is not None
    folder = tmp_path / "archive"
    shutil.copytree(made.fpack.archive.folder, folder)
    for place in (*folder.glob("debian/pool/**/hello_*.deb"), *folder.glob("*/dists/*/InRelease")):
        place.write_bytes(place.read_bytes().replace(b"e", b"f"))
    env = {**elsewhere, "FPACK_MIRROR": made.fpack.archive.mirror_at(folder.as_uri())}
    text = unchecked(made.fpack, made.tar, env=env)
    assert "the file of hello is unavailable" in text
    assert "the signed release of trixie is unavailable" in text and "0 in a signed index" in text


def test_the_manifest_beside_an_image_is_taken_if_it_carries_none(made: Greeter, tmp_path: Path) -> None:
    made.fpack.pack("--no-manifest", "-o", tmp_path / "bare.tar", cwd=made.project)
    message = made.fpack.fails("verify", tmp_path / "bare.tar")
    assert "carries no manifest" in message and "bare.manifest.json" in message and "--manifest" in message
    shutil.copy(made.manifest, tmp_path / "bare.manifest.json")
    found = report(made.fpack, tmp_path / "bare.tar")
    assert found["claim"] == "self-consistent", "it lies where whoever brought the image can have put it"
    assert found["images"][0]["manifest"]["from"] == str(tmp_path / "bare.manifest.json")
    text = made.fpack("verify", tmp_path / "bare.tar").stdout
    assert "proven" not in text and "can change this manifest: --manifest names one that you trust" in text
    named = made.fpack("verify", tmp_path / "bare.tar", "--manifest", tmp_path / "bare.manifest.json").stdout
    assert "bare.tar: proven" in named


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("nothing.tar", "There is no such file"),
        ("./text", "not a tar"),
        ("text", "is ./text"),
        (".", "fpack.fp"),
        ("/dev/null", "must be a tar file"),
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
        done = made.fpack("verify", "--rebuild", place, env=env, status=6)
        assert "a rebuild from the manifest gives the same image" in done.stdout
        assert "in a signed index of the archive" in done.stdout, "without an index not all can be checked"
        found = report(made.fpack, "--rebuild", place)
        assert found["rebuilt"] is True and found["success"]
        assert os.listdir(made.fpack.home / "store" / "tmp") == []
    finally:
        shutil.move(tmp_path / "project", made.project)


def test_it_is_built_again_where_nothing_is_at_hand_but_the_archive(made: Greeter, tmp_path: Path) -> None:
    other = Fpack(tmp_path / "home", made.fpack.archive)
    made.fpack.pack("debian.trixie.hello", "-o", tmp_path / "hello.tar")
    assert "the same image" in other("verify", "--rebuild", tmp_path / "hello.tar").stdout
    nowhere = {"FPACK_MIRROR": "debian=file:///nowhere only", "FPACK_ROOT": str(tmp_path / "empty")}
    message = other.fails("verify", "--rebuild", tmp_path / "hello.tar", env=nowhere)
    assert "use --mirror to name a mirror that still has it" in message and "fpack update" not in message


def test_an_image_that_no_build_makes_is_caught(made: Greeter, tmp_path: Path) -> None:
    """An image and a manifest that agree, and derivations that make something else."""
    image = Image.load(made.tar)
    image.config["config"]["User"] = "0:0"
    files = image.files()
    entry = json.loads(files["index.json"])["manifests"][0]
    config = json.loads(files["blobs/" + entry["digest"].replace(":", "/")])["config"]
    (data,) = embedded_manifest.find(open_archive(made.tar, Report()))
    reader = ManifestReader(data)
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
    assert "the rebuilt" in made.fpack("verify", "--rebuild", place, status=1).stdout


def test_help_names_the_exit_statuses(made: Greeter) -> None:
    text = made.fpack("verify", "--help").stdout
    assert "6  if nothing differs, but something could not be checked" in text and "--allow-other" in text
    assert "verify" in made.fpack("--help").stdout
