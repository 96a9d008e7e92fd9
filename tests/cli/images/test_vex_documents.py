"""Documents in files: what is read, what is refused, and what is told of statements that do not count."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from fpack.builders.audit.model import AFFECTED, FIXED, NOT_AFFECTED, Advisory, BinaryPackage, Finding, Product
from fpack.builders.audit.statements import BadVex
from fpack.builders.manifest.reader import ManifestReader
from fpack.cli.errors import UsageError
from fpack.cli.images import image_file, vex
from support.images.greeter import Greeter


@pytest.fixture(scope="module")
def reader(made: Greeter) -> ManifestReader:
    data = image_file.read(made.tar).data
    assert data is not None
    return ManifestReader(data)


def finding(reader: ManifestReader, status: str = AFFECTED) -> Finding:
    pin = next(package for package in reader.head.lock.packages if package.name == "hello")
    binary = BinaryPackage(pin.name, pin.version, pin.arch, pin.sha256)
    product = Product("Debian", "trixie", pin.source, pin.source_version, "", (binary,))
    advisory = Advisory("CVE-2026-1", (), "Debian", "trixie", pin.source, ())
    why = "vulnerable_code_not_present" if status == NOT_AFFECTED else ""
    return Finding(advisory, product, status, justification=why)


@pytest.mark.parametrize("form", ["openvex", "csaf"])
def test_an_own_document_is_applied_to_the_image_that_it_is_about(
    reader: ManifestReader, tmp_path: Path, form: str
) -> None:
    date = max(suite.date for suite in reader.head.lock.suites)
    path = tmp_path / "own.json"
    path.write_bytes(vex.document([finding(reader, NOT_AFFECTED)], reader.head, form, author="Me"))
    statements, ignored = vex.read_documents([path])
    assert not ignored
    judge, late = vex.judge(statements, reader.head, date)
    assert not late and judge(finding(reader)).status == NOT_AFFECTED
    assert judge(finding(reader)).evidence[0].startswith("stated by Me on ")
    judge, late = vex.judge(statements, reader.head, date - 1)
    assert late and judge(finding(reader)) == finding(reader)
    other = reader.head._replace(image=reader.head.image._replace(manifest=reader.head.image.config))
    judge, _ = vex.judge(statements, other, date)
    assert judge(finding(reader)) == finding(reader)
    assert vex.document([finding(reader, FIXED)], reader.head, form) == vex.document(
        [finding(reader, FIXED)], reader.head, form, time=date
    )


def test_files_that_are_no_documents(tmp_path: Path) -> None:
    path = tmp_path / "vex.json"
    for data in (b"", b"\0" * 100, json.dumps({"bomFormat": "CycloneDX"}).encode()):
        path.write_bytes(data)
        with pytest.raises(BadVex) as caught:
            vex.read_documents([path])
        assert caught.value.where == str(path)
    os.mkfifo(tmp_path / "pipe")
    for bad in (tmp_path, tmp_path / "none", tmp_path / "pipe"):
        with pytest.raises((BadVex, OSError)) as caught_too:
            vex.read_documents([bad])
        assert isinstance(caught_too.value, BadVex), bad


def test_the_time_of_a_document() -> None:
    assert vex.timestamp(None) is None
    assert vex.timestamp("2026-09-21T14:13:20Z") == 1_790_000_000
    for text in ("", "now", "1960-01-01T00:00:00Z"):
        with pytest.raises(UsageError):
            vex.timestamp(text)
