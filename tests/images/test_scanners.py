"""Scanners find the Debian packages of an image, and no others, in the image and in the bills attached to it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.time_limits import WAIT

pytestmark = [pytest.mark.network]


@pytest.fixture(scope="session", params=["postgres", "debian.trixie.jq"])
def scanned(
    request: pytest.FixtureRequest, fpack: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, set[tuple[str, str]]]:
    """Return an image as a directory, and what fpack says is in it: names and versions."""
    place = tmp_path_factory.mktemp("image") / "layout"
    fpack("pack", request.param, "--format", "oci-dir", "-o", place)
    why = fpack("why", request.param)
    return place, {(link["package"], link["version"]) for chain in why.values() for link in chain}


@pytest.fixture
def image(scanned: tuple[Path, set[tuple[str, str]]]) -> Path:
    return scanned[0]


@pytest.fixture
def packages(scanned: tuple[Path, set[tuple[str, str]]]) -> set[tuple[str, str]]:
    return scanned[1]


def scan(*command: str | Path) -> Any:
    home = {"HOME": str(Path(command[0]).parent), "PATH": os.environ["PATH"], "SYFT_CHECK_FOR_APP_UPDATE": "false"}
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, env=home, timeout=WAIT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_syft(image: Path, packages: set[tuple[str, str]], scanners: dict[str, Path]) -> None:
    report = scan(scanners["syft"], "-q", "scan", f"oci-dir:{image}", "-o", "json")
    # Some of Debian's programs name their source package in a note of their own, which syft lists too.
    found = {
        (a["name"], a["version"])
        for a in report["artifacts"]
        if a["type"] == "deb" and a["foundBy"] == "dpkg-db-cataloger"
    }
    assert found == packages
    assert report["distro"]["id"] == "debian"


def test_syft_finds_the_licences(image: Path, packages: set[tuple[str, str]], scanners: dict[str, Path]) -> None:
    report = scan(scanners["syft"], "-q", "scan", f"oci-dir:{image}", "-o", "json")
    licensed = {a["name"] for a in report["artifacts"] if a["type"] == "deb" and a["licenses"]}
    assert len(licensed) > len(packages) * 0.8


def test_trivy(image: Path, packages: set[tuple[str, str]], scanners: dict[str, Path]) -> None:
    report = scan(
        scanners["trivy"], "image", "-q", "--input", image, "--format", "cyclonedx", "--offline-scan",
        "--skip-version-check",
    )  # fmt: skip
    found = {(c["name"], c["version"]) for c in report["components"] if c.get("purl", "").startswith("pkg:deb")}
    assert {name for name, _ in found} == {name for name, _ in packages}
    epochless = {(name, version.partition(":")[2] or version) for name, version in packages}
    assert {(name, version.partition(":")[2] or version) for name, version in found} == epochless


CYCLONEDX, SPDX = "application/vnd.cyclonedx+json", "application/spdx+json"


class Package(NamedTuple):
    """A binary package and its source."""

    name: str
    version: str
    source: str
    source_version: str


class Bills(NamedTuple):
    """The bills attached to an image, and the packages that its manifest names."""

    files: dict[str, Path]
    packages: set[Package]


@pytest.fixture(scope="session")
def bills(fpack: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Bills:
    place = tmp_path_factory.mktemp("billed")
    layout, files = place / "layout", {}
    for name in ("cyclonedx-1.6", "cyclonedx-1.7", "spdx-2.3", "spdx-3.0.1"):
        packed = fpack("pack", "postgres", f"--sbom={name}", "--format", "oci-dir", "-o", layout)
        (entry,) = [
            entry
            for entry in json.loads((layout / "fpack-referrers.json").read_bytes())["manifests"]
            if entry["artifactType"] in (CYCLONEDX, SPDX)
        ]
        (layer,) = blob(layout, entry["digest"])["layers"]
        files[name] = place / f"{name}.json"
        files[name].write_bytes((layout / "blobs" / layer["digest"].replace(":", "/")).read_bytes())
        shutil.rmtree(layout)
    rows = json.loads(Path(packed["manifest"]).read_bytes())["lock"]["packages"]
    return Bills(files, {Package(row["name"], row["version"], row["source"], row["source_version"]) for row in rows})


def blob(layout: Path, digest: str) -> Any:
    return json.loads((layout / "blobs" / digest.replace(":", "/")).read_bytes())


def told_by_syft(file: Path, syft: Path) -> list[Package]:
    found = []
    for artifact in scan(syft, "-q", "convert", file, "-o", "syft-json")["artifacts"]:
        if artifact["type"] == "deb" and "arch=source" not in artifact["purl"]:
            about = artifact["metadata"]
            name, version = artifact["name"], artifact["version"]
            found.append(Package(name, version, about["source"] or name, about["sourceVersion"] or version))
    return found


def told_by_trivy(file: Path, trivy: Path) -> list[Package]:
    options = ("--format", "json", "--list-all-pkgs", "--scanners", "license", "--offline-scan", "--skip-version-check")
    results = scan(trivy, "sbom", "-q", *options, file)["Results"]
    (packages,) = [result["Packages"] for result in results if result["Class"] == "os-pkgs"]
    return [Package(row["Name"], whole_version(row, ""), row["SrcName"], whole_version(row, "Src")) for row in packages]


def whole_version(row: dict[str, Any], prefix: str) -> str:
    epoch, release = row.get(f"{prefix}Epoch"), row.get(f"{prefix}Release")
    version = row[f"{prefix}Version"]
    return (f"{epoch}:" if epoch else "") + version + (f"-{release}" if release else "")


@pytest.mark.parametrize("name", ["cyclonedx-1.6", "spdx-2.3"])
def test_syft_reads_the_attached_bill(bills: Bills, scanners: dict[str, Path], name: str) -> None:
    found = told_by_syft(bills.files[name], scanners["syft"])
    assert len(found) == len(bills.packages) and set(found) == bills.packages


@pytest.mark.parametrize("name", ["cyclonedx-1.6", "cyclonedx-1.7", "spdx-2.3"])
def test_trivy_reads_the_attached_bill(bills: Bills, scanners: dict[str, Path], name: str) -> None:
    """It lists source packages, too. Of a package and a source with one name and version it keeps one."""
    found = told_by_trivy(bills.files[name], scanners["trivy"])
    assert set(found) >= bills.packages
    assert all(row[:2] == row[2:] for row in set(found) - bills.packages)


@pytest.mark.parametrize(("tool", "name"), [("syft", "cyclonedx-1.7"), ("syft", "spdx-3.0.1"), ("trivy", "spdx-3.0.1")])
def test_formats_that_a_scanner_does_not_read(bills: Bills, scanners: dict[str, Path], tool: str, name: str) -> None:
    """docs/sbom.md says so: if a newer version reads them, the page is to be changed."""
    with pytest.raises(AssertionError):
        (told_by_syft if tool == "syft" else told_by_trivy)(bills.files[name], scanners[tool])
