"""trivy reads fpack's VEX documents, and leaves out exactly what they say of the image. It asks a registry on loopback.

Its database is made by hand, so that nothing is downloaded but the program.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.attest import statement
from fpack.builders.attest.dsse import IN_TOTO
from fpack.builders.audit import vex_documents, vex_subject
from fpack.builders.audit.model import (
    AFFECTED,
    FIXED,
    NOT_AFFECTED,
    UNDER_INVESTIGATION,
    Advisory,
    BinaryPackage,
    Finding,
    Product,
)
from fpack.builders.manifest import referrer
from fpack.builders.manifest.format import Head
from fpack.builders.manifest.reader import ManifestReader
from fpack.builders.oci.spec import Descriptor
from fpack.cli.images import image_file
from support.reports import trivy_database
from support.servers.registry import Registry, open_registry
from support.servers.repositories import write
from support.time_limits import WAIT

pytestmark = [pytest.mark.network]

STATUSES = {"CVE-2026-0001": NOT_AFFECTED, "CVE-2026-0002": AFFECTED, "CVE-2026-0003": FIXED,
            "CVE-2026-0004": UNDER_INVESTIGATION}  # fmt: skip
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture(scope="module")
def layout(fpack: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("vex") / "layout"
    fpack("pack", "debian.trixie.jq", "--format", "oci-dir", "-o", place)
    return place


@pytest.fixture
def registry(layout: Path) -> Iterator[str]:
    """Yield a server of the layout as a registry has it, and its address."""
    (entry,) = [
        item
        for item in json.loads((layout / "index.json").read_bytes())["manifests"]
        if item["mediaType"] == MANIFEST and "artifactType" not in item
    ]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rpartition("/")[2]
            digest = name if name.startswith("sha256:") else entry["digest"]
            blob = layout / "blobs" / digest.replace(":", "/")
            body = b"{}" if self.path == "/v2/" else blob.read_bytes() if blob.is_file() else None
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Type", MANIFEST if "/manifests/" in self.path else "application/octet-stream")
            self.send_header("Docker-Content-Digest", digest)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body or b"")

        do_HEAD = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}/tools/jq:1"
    server.shutdown()
    server.server_close()


def head(layout: Path) -> Head:
    data = image_file.read(layout).data
    assert data is not None
    return ManifestReader(data).head


def findings(about: Head, source: str) -> list[Finding]:
    """Return a finding of each status about the packages of a source in the image."""
    inside = {origin.package for origin in about.paths}
    pins = [package for package in about.lock.packages if package.source == source and package.name in inside]
    binaries = tuple(BinaryPackage(pin.name, pin.version, pin.arch, pin.sha256) for pin in pins)
    product = Product("Debian", "trixie", source, pins[0].source_version, "", binaries)
    return [
        Finding(Advisory(name, (), "Debian", "trixie", source, ()), product, status, "999", evidence=("A fact.",))
        for name, status in STATUSES.items()
    ]


def scan(
    trivy: Path, cache: Path, image: str, *options: str | Path
) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """Return what trivy finds and what it leaves out, as pairs of vulnerability and package."""
    command = [
        *(trivy, "image", "-q", "--cache-dir", cache, "--skip-db-update"),
        *("--skip-java-db-update", "--offline-scan", "--skip-version-check", "--scanners", "vuln"),
        *("--insecure", "--show-suppressed", "--format", "json", *options, image),
    ]
    env = {**os.environ, "TRIVY_NON_SSL": "true"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT, env=env)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)["Results"]
    shown = [row for result in results for row in result.get("Vulnerabilities") or ()]
    hidden = [row["Finding"] for result in results for row in result.get("ExperimentalModifiedFindings") or ()]
    told = [{(row["VulnerabilityID"], row["PkgName"]) for row in rows} for rows in (shown, hidden)]
    return told[0], told[1]


@pytest.mark.parametrize("form", vex_documents.FORMATS)
def test_trivy_leaves_out_what_a_document_clears(
    form: str, layout: Path, registry: str, scanners: dict[str, Path], tmp_path: Path
) -> None:
    about = head(layout)
    names = dict.fromkeys(STATUSES, "999")
    trivy_database.write(tmp_path / "cache", "debian 13", {"jq": names, "libonig": names})
    document = tmp_path / "vex.json"
    document.write_bytes(vex_documents.document(findings(about, "jq"), vex_subject.of_manifest(about, "1"), form))

    def found(*options: str | Path) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
        return scan(scanners["trivy"], tmp_path / "cache", registry, *options)

    every, nothing = found()
    assert {name for name, _ in every} == {*STATUSES} and len({package for _, package in every}) == 3 and not nothing
    cleared = {(name, package) for name, package in every if package in ("jq", "libjq1")}
    cleared = {(name, package) for name, package in cleared if STATUSES[name] in (NOT_AFFECTED, FIXED)}
    assert len(cleared) == 4
    assert found("--vex", document) == (every - cleared, cleared)
    other = vex_subject.of_manifest(about, "1")._replace(digest="sha256:" + "0" * 64)
    document.write_bytes(vex_documents.document(findings(about, "jq"), other, form))
    assert found("--vex", document) == (every, set())


@pytest.mark.parametrize("api", [True, False])
def test_trivy_finds_the_document_that_refers_to_a_pushed_image(
    fpack: Callable[..., Any], api: bool, layout: Path, scanners: dict[str, Path], tmp_path: Path
) -> None:
    about = head(layout)
    names = dict.fromkeys(STATUSES, "999")
    trivy_database.write(tmp_path / "cache", "debian 13", {"jq": names, "libonig": names})
    document = vex_documents.document(findings(about, "jq"), vex_subject.of_manifest(about, "1"), "openvex")
    subject = Descriptor(*about.image.manifest)
    told = statement.about("jq:1", subject.digest, statement.OPENVEX, json.loads(document))
    notes = {statement.PREDICATE_TYPE: statement.OPENVEX}
    with Registry(api=api) as server:
        fpack("push", layout, f"{server.host}/tools/jq:1", "--plain-http")
        # As `fpack pack --vex` attaches it.
        one = referrer.of_document(subject, IN_TOTO, told.encode(), "jq.vex.intoto.json", notes)
        repository = open_registry(server, name="tools/jq")
        for data in (b"{}", *one.blobs.values()):
            assert isinstance(data, bytes)
            write(repository, data)
        repository.write_manifest(data_of(one), MANIFEST)
        image = f"{server.host}/tools/jq:1"
        every, nothing = scan(scanners["trivy"], tmp_path / "cache", image)
        left, cleared = scan(scanners["trivy"], tmp_path / "cache", image, "--vex", "oci")
    assert not nothing and left | cleared == every
    assert {name for name, _ in cleared} == {
        name for name, status in STATUSES.items() if status in (NOT_AFFECTED, FIXED)
    }  # fmt: skip


def data_of(one: referrer.Referrer) -> bytes:
    """Return the manifest of an artifact."""
    data = one.blobs[one.entry["digest"]]
    assert isinstance(data, bytes)
    return data
