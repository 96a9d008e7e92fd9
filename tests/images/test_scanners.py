"""Scanners find in an image the Debian packages that are in it, by name and version, and no others."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.network]


@pytest.fixture(scope="session", params=["postgres", "debian.trixie.jq"])
def scanned(
    request: pytest.FixtureRequest, fpack: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, set[tuple[str, str]]]:
    """An image as a directory, and what fpack says is in it: names and versions."""
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
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, env=home, timeout=120)
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
