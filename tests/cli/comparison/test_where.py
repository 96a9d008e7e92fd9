"""`fpack where`: which images hold a package below a version, or a file, by their manifests alone."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.manifest.format import Blob, Head, LockedPackage, LockPart, ManifestImage, PathOrigin
from fpack.cli.comparison import image_search
from fpack.cli.comparison.where import FileQuery, PackageQuery, packages, parse_file, parse_packages
from fpack.store.errors import FpackError
from support.images.greeter import Greeter


def head(*pins: tuple[str, str, str, str]) -> Head:
    """Return a head with packages: name, version, source, version of the source."""
    blob = Blob("", "sha256:" + 64 * "0", 0)
    image = ManifestImage("x", "1", "amd64", "", "", blob, blob, {}, {})
    paths = tuple(PathOrigin(f"/fpack/store/{name}", None, name, version) for name, version, *_ in pins)
    locked = tuple(LockedPackage(n, v, "amd64", s, sv, "debian", 0, 0, "", "") for n, v, s, sv in pins)
    return Head("0", image, (), paths, (), LockPart("trixie", "amd64", (), (), locked), 0)


OPENSSL = head(
    ("libssl3t64", "3.5.1-1+b2", "openssl", "3.5.1-1"),
    ("gcc", "4:14.2.0-1", "gcc-defaults", "1.220"),
    ("xz-utils", "5.6.0~rc1-1", "xz-utils", "5.6.0~rc1-1"),
)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("openssl < 3.5.6", ["libssl3t64"]),
        ("openssl<3.5.6", ["libssl3t64"]),
        ("openssl << 3.5.1-1", []),
        ("openssl < 3.5.1-1", []),
        ("openssl <= 3.5.1-1", ["libssl3t64"]),
        ("openssl = 3.5.1-1", ["libssl3t64"]),
        ("libssl3t64 = 3.5.1-1", []),
        ("libssl3t64 = 3.5.1-1+b2", ["libssl3t64"]),
        ("libssl3t64 > 3.5.1-1", ["libssl3t64"]),
        ("openssl >> 3.5.1-1", []),
        ("openssl >= 3.5.1-1", ["libssl3t64"]),
        ("gcc >= 4:14", ["gcc"]),
        ("gcc < 5", ["gcc"][:0]),  # an epoch is more than any version without one
        ("gcc-defaults < 2", ["gcc"]),
        ("xz-utils < 5.6.0", ["xz-utils"]),  # a tilde sorts before the end
        ("xz-utils >= 5.6.0", []),
        ("xz-utils", ["xz-utils"]),
        ("*", ["gcc", "libssl3t64", "xz-utils"]),
        ("lib*", ["libssl3t64"]),
        ("open*l <= 3.5.1-1", ["libssl3t64"]),
        ("[gx]*", ["gcc", "xz-utils"]),
        ("ssl", []),
    ],
)
def test_a_package_by_its_name_or_that_of_its_source(text: str, names: list[str]) -> None:
    assert [found.package for found in packages(OPENSSL, parse_packages(text))] == names


@pytest.mark.parametrize(
    "text", ["", "<3", "openssl <", "openssl == 1", "a b", "openssl < 1 2", "../x", "openssl < a b"]
)
def test_what_is_no_question(text: str) -> None:
    with pytest.raises(FpackError, match="is not a"):
        parse_packages(text)


def test_what_is_no_version_and_no_digest() -> None:
    with pytest.raises(FpackError, match="not a Debian version"):
        parse_packages("openssl < 1_2")
    with pytest.raises(FpackError, match="is not a digest"):
        parse_file("sha256:12")
    with pytest.raises(FpackError, match="names no file"):
        parse_file("/")
    assert parse_file("/bin/sh") == FileQuery(path="usr/bin/sh") == parse_file("usr/bin/sh")
    assert parse_packages(" openssl < 1 ") == PackageQuery("openssl", "<<", "1")


@pytest.fixture(scope="module")
def images(made: Greeter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory of images: two of fpack, a damaged one, one without a manifest, and what is no image."""
    top = tmp_path_factory.mktemp("images")
    (top / "deep").mkdir()
    shutil.copy(made.tar, top / "greeter.tar")
    made.fpack.pack("--format", "oci-dir", "-o", top / "deep" / "layout", cwd=made.project)
    made.fpack.pack("--no-manifest", "-o", top / "deep" / "bare.tar", cwd=made.project)
    data = made.tar.read_bytes()
    (top / "damaged.tar").write_bytes(data[: len(data) // 2])
    with tarfile.open(top / "sources.tar", "w") as archive:
        archive.add(made.project / "main.sh", "main.sh")
    (top / "loop").symlink_to(top)
    return top


def where(made: Greeter, *words: str | Path, status: int = 0) -> Any:
    return json.loads(made.fpack("where", *words, "--json", status=status).stdout)


def test_directories_are_searched_and_what_cannot_be_read_is_told(made: Greeter, images: Path) -> None:
    found = where(made, "libgreet1 >= 2:1.0~rc1", images)
    assert [Path(image["file"]).name for image in found["images"]] == ["greeter.tar", "layout"]
    assert found["searched"] == 2
    package = {"package": "libgreet1", "version": "2:1.0~rc1-1", "source": "libgreet1", "source_version": "2:1.0~rc1-1"}
    assert all(image["found"] == [package] and image["platform"] == "linux/amd64" for image in found["images"])
    assert [(Path(item["file"]).name, item["why"].partition(":")[0]) for item in found["unread"]] == [
        ("damaged.tar", "The archive is truncated"),
        ("bare.tar", "it has no manifest of fpack for linux/amd64"),
    ]
    done = made.fpack("where", "libgreet1", images)
    assert done.stdout.count("\n") == 3 and "damaged.tar was not searched" in done.stderr
    assert "2 of 2 images have it" in done.stderr and "sources.tar" not in done.stderr


def test_the_exit_status_tells_whether_one_has_it(made: Greeter, images: Path) -> None:
    assert where(made, "libgreet1 < 1", made.tar, status=1)["images"] == []
    assert where(made, "libgreet1 < 1", images, status=6)["unread"]
    assert where(made, "hello", images / "sources.tar", status=6)["unread"]
    assert "No image is named" in made.fpack.fails("where", "hello")
    assert "no such file" in made.fpack.fails("where", "hello", "nowhere.tar")


def test_files_by_path_glob_and_content(made: Greeter) -> None:
    (found,) = where(made, "--file", "/bin/hello", made.tar)["images"]
    assert [(file["path"], file["package"], file["version"]) for file in found["found"]] == [
        ("/usr/bin/hello", "hello", "2.10-3")
    ]
    digest = found["found"][0]["sha256"]
    (same,) = where(made, "--file", f"sha256:{digest}", made.tar)["images"]
    assert same["found"] == found["found"]
    (several,) = where(made, "--file", "/srv/*", made.tar)["images"]
    assert {"/srv/app/main.sh", "/srv/words"} <= {file["path"] for file in several["found"]}
    assert {file["package"] for file in several["found"]} == {""}
    where(made, "--file", "sha256:" + 64 * "0", made.tar, status=1)
    assert "/usr/bin/hello" in made.fpack("where", "--file", "usr/bin/hell?", made.tar).stdout


def test_no_layer_is_read(made: Greeter, tmp_path: Path) -> None:
    """Layers are the large blobs of a layout: without the right to read them, it is searched as well."""
    out = tmp_path / "layout"
    made.fpack.pack("--format", "oci-dir", "-o", out, cwd=made.project)
    digests = [layer["digest"].removeprefix("sha256:") for layer in json.loads(made.manifest.read_bytes())["layers"]]
    for digest in digests:
        path = out / "blobs" / "sha256" / digest
        size = path.stat().st_size
        path.unlink()
        with open(path, "wb") as file:
            os.truncate(file.fileno(), size)  # the same size, and none of the content
    assert where(made, "hello", out)["images"]


def test_a_hostile_name_is_not_printed_as_it_is(made: Greeter, tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[31m\u202e.tar"
    shutil.copy(made.tar, path)
    done = made.fpack("where", "hello", path)
    assert "\x1b" not in done.stdout + done.stderr and "\u202e" not in done.stdout
    assert "\x1b" not in made.fpack("where", "hello", path, "--json").stdout


def test_one_image_is_in_memory_at_a_time(made: Greeter, tmp_path: Path) -> None:
    for number in range(3):
        os.link(made.tar, tmp_path / f"{number}.tar")
    results = image_search.search([tmp_path], PackageQuery("hello"))
    assert next(results) and len(list(results)) == 2
