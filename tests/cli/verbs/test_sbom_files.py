"""`fpack sbom` of an image file: the bill that it carries, or that of the image built again, in the same bytes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.images.shop import Shop
from support.processes.callers import CALLERS, caller, give
from support.processes.program import Fpack

FORMATS = "cyclonedx-1.6,cyclonedx-1.7,spdx-2.3,spdx-3.0.1"


@pytest.fixture(scope="module")
def billed_shop(packed_shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the image with all bills attached to it."""
    path = tmp_path_factory.mktemp("billed") / "shop.tar"
    packed_shop.fpack("pack", f"--sbom={FORMATS}", "-o", path, cwd=packed_shop.project)
    return path


@pytest.fixture(params=CALLERS)
def anybody(request: pytest.FixtureRequest, packed_shop: Shop) -> Iterator[Fpack]:
    """Yield a user without a store."""
    assert packed_shop.fpack.archive is not None
    with caller(request.param, packed_shop.fpack.archive) as fpack:
        yield fpack


@pytest.mark.slow
def test_it_carries_the_bill_of_the_attribute(packed_shop: Shop, billed_shop: Path, anybody: Fpack) -> None:
    tar = give(anybody, Path(shutil.copy(billed_shop, anybody.home / "shop.tar")))
    for name in FORMATS.split(","):
        bill = packed_shop.fpack("sbom", "--format", name, cwd=packed_shop.project).stdout
        assert anybody("sbom", tar, "--format", name).stdout == bill
    (anybody.home / "out").mkdir()
    out = give(anybody, anybody.home / "out")
    found = json.loads(anybody("sbom", tar, "--format", FORMATS, "-o", out, "--json").stdout)["files"]
    assert [Path(row["file"]).name for row in found] == [f"shop.{name}.json" for name in FORMATS.split(",")]


def test_trace_tells_the_licence_of_the_bill_on_a_machine_without_a_store(
    packed_shop: Shop, billed_shop: Path, tmp_path: Path
) -> None:
    packed_shop.fpack("sbom", cwd=packed_shop.project)
    wanted = json.loads(packed_shop.fpack("trace", "/usr/bin/greet", "--json", cwd=packed_shop.project).stdout)
    other = Fpack(tmp_path / "home")
    found = json.loads(other("trace", "/usr/bin/greet", billed_shop, "--json").stdout)
    assert found["licence"] == wanted["licence"] and found["licence"]["expression"]
    bare = json.loads(other("trace", "/usr/bin/greet", packed_shop.tar, "--json").stdout)
    assert bare["licence"]["expression"] is None


@pytest.mark.slow
def test_it_is_built_again_where_it_carries_none(packed_shop: Shop, anybody: Fpack) -> None:
    tar = give(anybody, Path(shutil.copy(packed_shop.tar, anybody.home / "shop.tar")))
    told = anybody.fails("sbom", tar)
    assert "does not carry its bill in the format cyclonedx-1.6" in told and "--rebuild" in told
    for name in ("cyclonedx-1.6", "spdx-3.0.1"):
        bill = packed_shop.fpack("sbom", "--format", name, cwd=packed_shop.project).stdout
        assert anybody("sbom", tar, "--format", name, "--rebuild").stdout == bill


def test_a_source_that_does_not_travel_is_given(packed_shop: Shop, tmp_path: Path) -> None:
    packed_shop.fpack("pack", "--no-sources", "-o", tmp_path / "shop.tar", cwd=packed_shop.project)
    other = Fpack(tmp_path / "home", packed_shop.fpack.archive)
    assert "it does not carry the source" in other.fails("sbom", tmp_path / "shop.tar", "--rebuild")
    options = ("--rebuild", "--source", packed_shop.project)
    bill = packed_shop.fpack("sbom", cwd=packed_shop.project).stdout
    assert other("sbom", tmp_path / "shop.tar", *options).stdout == bill


def test_a_damaged_bill_is_an_error(billed_shop: Path, tmp_path: Path, packed_shop: Shop) -> None:
    data = billed_shop.read_bytes()
    (tmp_path / "shop.tar").write_bytes(data.replace(b'"CycloneDX"', b'"cycloneDX"'))
    told = packed_shop.fpack.fails("sbom", tmp_path / "shop.tar")
    assert "does not match its digest" in told and "shop.tar" in told


def test_options_that_do_not_fit_are_refused(packed_shop: Shop, billed_shop: Path) -> None:
    fpack, project = packed_shop.fpack, packed_shop.project
    assert "are about image files" in fpack.fails("sbom", "--rebuild", cwd=project)
    assert "--source needs --rebuild" in fpack.fails("sbom", billed_shop, "--source", project)
    assert "names its supplier" in fpack.fails("sbom", billed_shop, "--supplier", "Somebody")
    assert "does not carry its bill in the format legal" in fpack.fails("sbom", billed_shop, "--format", "legal")


META = """
described = image.with {
  packages = [debian.greet, debian.bash, built("shop", ./conf).with { meta = {
    homepage = "https://shop.example.org/", description = "A shop", licence = "MIT OR ISC"
    maintainers = ["Ann <ann@example.org>"], originator = "Bob", purl = "pkg:generic/shop@1"
    cpe = "cpe:2.3:a:shop:shop:1:*:*:*:*:*:*:*"
  } }, built("copy", ./copy)]
  meta = { licence = "Apache-2.0" }
}
wrong = image.with { meta = { licence = "Apache" } }
"""


def test_meta_is_in_the_bill_and_changes_no_digest(packed_shop: Shop, tmp_path: Path) -> None:
    project = Path(shutil.copytree(packed_shop.project, tmp_path / "project", symlinks=True))
    with open(project / "fpack.fp", "a") as file:
        file.write(META)
    plain = json.loads(packed_shop.fpack("pack", "image", "--json", "-o", tmp_path / "a.tar", cwd=project).stdout)
    tar = tmp_path / "b.tar"
    args = ("--json", "--sbom=cyclonedx-1.6", "-o", tar)
    told = json.loads(packed_shop.fpack("pack", "described", *args, cwd=project).stdout)
    assert told["digest"] == plain["digest"]
    assert "meta" not in json.loads((tmp_path / "a.manifest.json").read_bytes())
    bill = json.loads(packed_shop.fpack("sbom", tar).stdout)
    assert bill["metadata"]["component"]["licenses"] == [{"expression": "Apache-2.0", "acknowledgement": "declared"}]
    parts = {part["name"]: part for part in bill["components"]}
    shop = parts["shop"]
    assert shop["licenses"] == [{"expression": "MIT OR ISC", "acknowledgement": "declared"}]
    assert (shop["purl"], shop["description"]) == ("pkg:generic/shop@1", "A shop")
    assert shop["cpe"] == "cpe:2.3:a:shop:shop:1:*:*:*:*:*:*:*"
    assert shop["supplier"] == {"name": "Ann", "contact": [{"email": "ann@example.org"}]}
    assert shop["authors"] == [{"name": "Bob"}]
    assert {"type": "website", "url": "https://shop.example.org/"} in shop["externalReferences"]
    assert not {"licenses", "purl", "cpe", "supplier"} & parts["copy"].keys()
    packed_shop.fpack("verify", tar)
    error = packed_shop.fpack.fails("pack", "wrong", cwd=project)
    assert "an SPDX expression" in error and '"Apache"' in error and "fpack.fp:" in error
