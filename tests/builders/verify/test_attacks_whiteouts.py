"""Whiteouts: names by which one layer deletes files of others when a container starts.

A package, a build or the container's own files can have them, and so can an image that others made.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fpack.builders.manifest.format import ManifestError
from fpack.builders.manifest.reader import ManifestReader
from fpack.builders.protocol import BuildError
from support.archives.archive import file
from support.images.forge import Forgery
from support.images.greeter import Greeter
from support.images.small_images import Workshop, folder, link
from support.images.tamper import Image, Layer, node
from support.processes.callers import CALLERS, caller, give
from support.processes.program import Fpack, world
from support.reports.evidence import says, verify_alone

WHITEOUTS = (".wh.x", ".wh..wh..opq", "usr/share/.wh.y", "usr/.wh..wh..opq", "usr/.wh.bin/x", ".wh..wh.plnk/1.2")
HARMLESS = ("usr/x.wh.y", "usr/.whx", "usr/wh.x", "x/a.wh.", "usr/..wh.x")


@pytest.fixture(params=CALLERS)
def program(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Fpack]:
    """Yield the program, with an archive in which a package has a whiteout."""
    archive = world(tmp_path / "archive")
    whiteout = {"usr/share/deleter/.wh.words": "x"}
    archive.add("deleter", files={"usr/bin/deleter": file("#!/bin/sh\n", 0o755), **whiteout})
    archive.publish()
    with caller(request.param, archive) as fpack:
        yield fpack


@pytest.mark.parametrize("path", WHITEOUTS)
def test_a_whiteout_is_in_no_layer(shop: Workshop, path: str) -> None:
    """Whoever has it: a package, the container's files, or what is built; as a file, a link or a directory."""
    package = shop.table("slice", {path: b""}, {"package": "deleter", "version": "1"})
    files = shop.files({"path": f"/{path}"}), shop.files({"path": f"/{path}", "kind": "directory"})
    links = shop.files({"path": f"/{path}", "kind": "symlink", "target": "/etc"})
    built = shop.plain("tool", {path: b""}), shop.plain("tool", {f"{path}/below": folder()})
    linked = shop.plain("tool", {path: link("/etc")})
    for part in (package, *files, links, *((each, str(each)) for each in (*built, linked))):
        with pytest.raises(BuildError, match="cannot be in a layer") as error:
            shop.layer([part])
        assert "/.wh." in error.value.where
        assert "delete files" in error.value.why and error.value.hint
    with pytest.raises(BuildError, match="of the package deleter") as error:
        shop.layer([shop.table("other", {"usr/bin/x": b""}), package])
    assert error.value.hint == f'leave it out: rules = {{ "deleter" = {{ drop = ["/{path}"] }} }}'


@pytest.mark.parametrize("path", HARMLESS)
def test_names_that_look_like_whiteouts_are_files(shop: Workshop, made: Greeter, tmp_path: Path, path: str) -> None:
    assert shop.layer([shop.table("slice", {path: b""})])
    forgery = Forgery(made.tar)
    forgery.put("files", node(path))
    assert not says(verify_alone(forgery.save(tmp_path / "image.tar")).report.findings, "whiteout")


def test_a_package_with_a_whiteout_is_packed_without_it_or_not_at_all(program: Fpack) -> None:
    message = program.fails("pack", "debian.trixie.deleter")
    assert "/usr/share/deleter/.wh.words of the package deleter cannot be in a layer" in message
    rule = '{ deleter = { drop = ["/usr/share/deleter/.wh.words"] } }'
    assert 'rules = { "deleter" = { drop = ["/usr/share/deleter/.wh.words"] } }' in message
    project = program.home / "project"
    project.mkdir()
    text = 'debian = import("fpack/debian").trixie\nimage = container {{ packages = [debian.deleter], {} }}\n'
    (project / "fpack.fp").write_text(text.format(f"rules = {rule}"))
    give(program, project)
    assert program.pack(cwd=project)["digest"]


@pytest.mark.parametrize("field", ["files", "directories", "links"])
def test_a_container_with_a_whiteout_is_refused(program: Fpack, field: str) -> None:
    value = {"files": '"text"', "directories": "null", "links": '"/etc"'}[field]
    project = program.home / "project"
    project.mkdir()
    (project / "fpack.fp").write_text(
        'debian = import("fpack/debian").trixie\n'
        f'image = container {{ packages = [debian.hello], {field} = {{ "/etc/.wh.passwd" = {value} }} }}\n'
    )
    give(program, project)
    message = program.fails("pack", cwd=project)
    assert "/etc/.wh.passwd" in message and "delete files" in message and "another name" in message


@pytest.mark.parametrize("path", WHITEOUTS)
def test_a_manifest_with_a_whiteout_is_not_read(made: Greeter, tmp_path: Path, path: str) -> None:
    forgery = Forgery(made.tar)
    forgery.put("files", node(path))
    place = forgery.save(tmp_path / "evil.tar")
    with pytest.raises(ManifestError, match="whiteout"):
        verify_alone(place)
    with pytest.raises(ManifestError, match="whiteout"):
        for _ in ManifestReader(forgery.manifest()).entries():
            pass


@pytest.mark.parametrize("path", WHITEOUTS)
def test_a_whiteout_in_an_image_is_named(made: Greeter, tmp_path: Path, path: str) -> None:
    """In a layer that the manifest has, and in one that it does not have."""
    image = Image.load(made.tar)
    image.layers[0].members.append(node(path))
    assert says(verify_alone(image.save(tmp_path / "a.tar"), made.manifest).report.findings, f"/{path}", "whiteout")
    image = Image.load(made.tar)
    image.layers.append(Layer([node(f"x/{number}") for number in range(9)] + [node(path)]))
    image.manifest["layers"].append({})
    assert says(verify_alone(image.save(tmp_path / "b.tar"), made.manifest).report.findings, f"/{path}", "whiteout")
