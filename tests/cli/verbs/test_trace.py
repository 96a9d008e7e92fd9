"""`fpack trace`: the chain from a file of an image to the signed archive, for files of every origin."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.manifest import json_form
from fpack.builders.manifest.encoding import encode_entry, encode_head
from fpack.builders.manifest.format import Origin
from fpack.builders.manifest.reader import ManifestReader
from fpack.builders.verify.evidence.local import LocalEvidence
from fpack.cli.images.inspect import NotInside
from fpack.cli.images.trace import _resolve, trace
from support.archives.archive import file, link
from support.images.greeter import Greeter
from support.processes.program import Fpack, world

LICENSED = """
debian = import("fpack/debian").trixie
image = container { name = "app", packages = [debian.app, debian.app-doc], closure = "depends" }
"""
NOTHING = LocalEvidence(None, Path("/nonexistent"))
SCRIPT = Origin("configured", "", "hello", "postinst", b"s" * 32)


@pytest.fixture(scope="module")
def manifest(made: Greeter) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(made.manifest.read_bytes())
    return value


def ask(made: Greeter, path: str, image: str | Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(made.fpack("trace", path, image, "--json", cwd=made.project).stdout)
    return value


def entry(manifest: dict[str, Any], path: str) -> tuple[int, dict[str, Any], dict[str, Any]]:
    """Return the number of the layer of a file, from 1, the layer and the file's entry."""
    return next(
        (number, layer, item)
        for number, layer in enumerate(manifest["layers"], 1)
        for item in layer["entries"]
        if item["path"] == path and item["kind"] != "directory"
    )


def test_a_file_of_a_package_leads_to_the_signed_release(made: Greeter, manifest: dict[str, Any]) -> None:
    found = ask(made, "/usr/bin/hello", made.tar)
    number, layer, about = entry(manifest, "/usr/bin/hello")
    assert found["entry"] == {
        "kind": "file", "mode": "0755", "uid": 0, "gid": 0, "size": about["size"], "sha256": about["sha256"],
        "target": None,
    }  # fmt: skip
    names = ("media_type", "digest", "size", "diff_id")
    assert found["layer"] == {"number": number, "of": len(manifest["layers"]), **{name: layer[name] for name in names}}
    assert (found["origin"]["kind"], found["origin"]["member"], found["origin"]["path"]) == (
        "package", "data", about["from"],
    )  # fmt: skip
    pin = next(item for item in manifest["lock"]["packages"] if item["name"] == "hello")
    assert found["package"] == {name: pin[name] for name in found["package"]} and found["package"]["sha256"]
    (suite,) = [item for item in manifest["lock"]["suites"] if item["suite"] == "trixie"]
    assert found["release"] == {**suite, "signature": found["release"]["signature"]}
    assert found["release"]["signature"]["key"] and found["release"]["signature"]["trouble"] == ""
    assert found["index"]["checked"] and found["index"]["sha256"] in [i["sha256"] for i in manifest["lock"]["indexes"]]
    assert found["source"] == {"name": "hello", "version": "2.10-3"} and found["inputs"] == found["replaces"] == []
    _, _, copyright_ = entry(manifest, "/usr/share/doc/hello/copyright")
    assert found["licence"] == {
        "file": "/usr/share/doc/hello/copyright", "in_image": True, "sha256": copyright_["sha256"], "expression": None,
    }  # fmt: skip


def test_all_forms_of_an_image_say_the_same(made: Greeter, tmp_path: Path) -> None:
    found = ask(made, "/usr/bin/hello", made.tar)
    made.fpack.pack("--format", "oci-dir", "-o", tmp_path / "layout", cwd=made.project)
    assert ask(made, "/usr/bin/hello", tmp_path / "layout") == found == ask(made, "usr/bin/hello", "#image")


def test_a_machine_without_the_archive_says_what_it_does_not_know(made: Greeter, tmp_path: Path) -> None:
    away = Fpack(tmp_path / "away")
    found = json.loads(away("trace", "/usr/bin/hello", made.tar, "--json").stdout)
    here = ask(made, "/usr/bin/hello", made.tar)
    assert not found["index"]["checked"] and found["release"]["signature"] is None
    assert {**found, "index": 0, "release": 0} == {**here, "index": 0, "release": 0}
    assert found["index"]["sha256"] == here["index"]["sha256"], "by archive, component and date"
    assert not (tmp_path / "away" / "store").exists()
    text = away("trace", "/usr/bin/hello", made.tar).stdout
    assert "by archive and date" in text and "fpack verify checks it" in text


def test_the_tree_names_each_step(made: Greeter) -> None:
    lines = [line.strip(" │├└─") for line in made.fpack("trace", "/usr/bin/hello", made.tar).stdout.splitlines()]
    starts = (
        "/usr/bin/hello  file, 0755 0:0",
        "layer ",
        "/fpack/store/",
        "hello 2.10-3  hello_2.10-3_",
        "index trixie ",
    )
    starts += ("release trixie of ", "source hello 2.10-3", "licence /usr/share/doc/hello/copyright")
    assert [line.startswith(start) for line, start in zip(lines, starts, strict=True)] == [True] * len(starts), lines
    assert "signed 20" in lines[5] and "by the key" in lines[5]


def test_the_licence_is_told_if_a_bill_was_made_here(made: Greeter, tmp_path: Path) -> None:
    archive = world(tmp_path / "archive")
    licence = "Files: *\nCopyright: 2020 Ann\nLicense: GPL-2+\n"
    text = f"Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n{licence}"
    archive.add("app", depends="app-doc", files={"usr/bin/app": file("#!/bin/sh\n", 0o755),
                "usr/share/doc/app": link("app-doc")}, copyright=None)  # fmt: skip
    archive.add("app-doc", copyright=text)
    archive.publish()
    fpack = Fpack(tmp_path / "home", archive)
    project = tmp_path / "project"
    project.mkdir()
    (project / "fpack.fp").write_text(LICENSED)
    fpack.pack(cwd=project)

    def licence_of(home: Fpack) -> Any:
        return json.loads(home("trace", "/usr/bin/app", project / "app.tar", "--json").stdout)["licence"]["expression"]

    assert licence_of(fpack) is None
    fpack("sbom", "-o", tmp_path / "bill.json", cwd=project)
    assert licence_of(fpack) == "GPL-2.0-or-later"
    assert "GPL-2.0-or-later" in fpack("trace", "/usr/bin/app", project / "app.tar").stdout
    broken = Fpack(tmp_path / "broken")
    shutil.copytree(fpack.home / "store", broken.home / "store", symlinks=True)
    (broken.home / "store" / "db" / "fpack.sqlite").write_bytes(b"no database" * 1000)
    assert licence_of(broken) is None, "the rest of the chain is told"
    assert licence_of(Fpack(tmp_path / "away")) is None and not (tmp_path / "away" / "store").exists()


def test_files_of_every_other_origin(made: Greeter, manifest: dict[str, Any]) -> None:
    generated = ask(made, "/etc/passwd", made.tar)
    assert (generated["origin"]["kind"], generated["origin"]["rule"]) == ("generated", "accounts")
    assert generated["package"] is generated["licence"] is generated["release"] is None and not generated["inputs"]
    assert "made by fpack, rule accounts" in made.fpack("trace", "/etc/passwd", made.tar).stdout

    own = ask(made, "/srv/app/main.sh", made.tar)
    assert (own["origin"]["kind"], [item["kind"] for item in own["inputs"]]) == ("files", ["source"])
    source = next(item for item in manifest["sources"] if item["name"] == "main.sh")
    assert own["inputs"][0]["tree"] == source["tree"]
    assert "source main.sh" in made.fpack("trace", "/srv/app/main.sh", made.tar).stdout
    assert ask(made, "/etc/motd", made.tar)["inputs"] == [], "its text stands in the container"

    path = next(
        item["path"] for layer in manifest["layers"] for item in layer["entries"]
        if str(item["path"]).endswith("-data/one.txt")
    )  # fmt: skip
    built = ask(made, path, made.tar)
    assert (built["origin"]["kind"], built["origin"]["made_by"]) == ("built", "source")
    assert [item["name"] for item in built["inputs"]] == ["data"] and path.startswith(built["origin"]["path"])
    control = ask(made, "/var/lib/dpkg/status.d/hello", made.tar)
    assert control["origin"]["member"] == "control" and control["package"]["name"] == "hello"
    assert "its control data" in made.fpack("trace", "/var/lib/dpkg/status.d/hello", made.tar).stdout
    link = ask(made, "/srv/words", made.tar)
    assert link["entry"]["kind"] == "symlink" and link["entry"]["target"] == "/usr/share/greet/words"


def changed(made: Greeter, change: Callable[[Any], Any]) -> Callable[[], ManifestReader]:
    """Return readers of the manifest with changed entries."""
    canonical = b"".join(json_form.parse(made.manifest.read_bytes()))

    def pieces() -> Iterator[bytes]:
        reader = ManifestReader(canonical)
        yield encode_head(reader.head)
        for drv in reader.derivations.values():
            yield drv.encode()
        for _, entries in reader.entries():
            yield from (encode_entry(change(item)) for item in entries)

    data = b"".join(pieces())
    return lambda: ManifestReader(data)


def test_a_file_that_a_script_made_leads_to_the_package_of_the_script(made: Greeter) -> None:
    readers = changed(made, lambda item: item._replace(origin=SCRIPT) if item.path == b"etc/motd" else item)
    found = trace(readers, "/etc/motd", NOTHING)
    assert (found["origin"]["kind"], found["origin"]["script"]) == ("configured", "postinst")
    assert found["origin"]["script_sha256"] == (b"s" * 32).hex()
    assert found["package"]["name"] == "hello" and found["source"]["name"] == "hello"


def test_a_file_in_place_of_a_packages_names_the_package(made: Greeter, tmp_path: Path) -> None:
    text = (made.project / "fpack.fp").read_text()
    own = text.replace('"/srv/ünïcode" = "text"', '"/usr/share/greet/words" = "mine"')
    (made.project / "replaced.fp").write_text(own)
    found = ask(made, "/usr/share/greet/words", "replaced.fp")
    assert found["origin"]["kind"] == "files" and found["replaces"] == [{"package": "libgreet1", "reason": "files"}]
    text = made.fpack("trace", "/usr/share/greet/words", "replaced.fp", cwd=made.project).stdout
    assert "in place of the file of libgreet1" in text


def test_paths_lead_through_symlinks_of_directories(made: Greeter) -> None:
    assert ask(made, "/bin/hello", made.tar)["path"] == "/usr/bin/hello"
    links = {"var/run": "/run", "run/a": "../srv/b", "x": "y", "y": "x"}
    assert _resolve("var/run/a/file", links) == "srv/b/file"
    assert _resolve("x/file", links) in ("x/file", "y/file"), "a circle of links ends"
    circle = changed(made, lambda item: item)
    with pytest.raises(NotInside, match="is not in the image"):
        trace(circle, "/srv/words/none", NOTHING)


def test_a_path_that_is_no_file_of_the_image(made: Greeter) -> None:
    assert "did you mean `/usr/bin/hello`" in made.fpack.fails("trace", "/usr/bin/helol", made.tar)
    assert "did you mean /usr/bin/hello" in made.fpack.fails("trace", "/opt/hello", made.tar)
    assert "is a directory" in made.fpack.fails("trace", "/usr/bin", made.tar)
    swapped = made.fpack.fails("trace", made.tar, "/usr/bin/hello")
    assert "is an image, not a file in one" in swapped and f"fpack trace /usr/bin/hello {made.tar}" in swapped
