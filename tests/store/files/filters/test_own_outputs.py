"""Test that files which fpack writes into a project are no part of its source, and that similar ones are."""

from __future__ import annotations

import gzip
import io
import os
import resource
import tarfile
from pathlib import Path

import pytest
import zstandard
from fpack.store.files.filters.own_outputs import is_own_output, leave_out
from fpack.store.files.source import entries

CLOCK = 315619200


def tar(name: str, mtime: int = CLOCK, uid: int = 0, content: bytes = b"{}") -> bytes:
    """Return a tar with one file."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as file:
        entry = tarfile.TarInfo(name)
        entry.mtime, entry.uid, entry.size = mtime, uid, len(content)
        file.addfile(entry, io.BytesIO(content))
    return made.getvalue()


KEPT = tar("oci-layout") + b'{"manifests":[{"artifactType":"application/vnd.fpack.kept-lock.v1"}]}'
LEGAL = b"Licences of the image app, written by fpack 0.1.0.\n"
OWN = {
    "app.legal.tar": tar("README.txt", content=LEGAL),
    "app.bundle": KEPT,
    "app.tar": tar("fpack-referrers.json"),
    "plain.tar": tar("index.json"),
    "app.rootfs.tar": tar("./"),
    "app.rootfs.tar.gz": gzip.compress(tar("./")),
    "fpack-app_1_amd64.deb": b"!<arch>\ndebian-binary   315619200   0     0     100644  4         `\n2.0\n",
    "fpack-app-1-1.x86_64.rpm": b"\xed\xab\xee\xdb\3\0\0\0\0\1fpack-app-1-1\0\0",
    "app.squashfs": b"hsqs\x23\0\0\0" + CLOCK.to_bytes(4, "little"),
    "app.manifest.json": b'{\n"format":2,\n"fpack":"0.1.0",\n',
    "app.provenance.json": b'{"_type":"x","predicate":{"buildDefinition":{"buildType":"urn:fpack:build-type:image:1"',
    "app.cyclonedx-1.6.json": b'{"bomFormat":"CycloneDX",\n"tools":{"components":[{"bom-ref":"fpack","name":"fpack"',
    "app.spdx-2.3.json": b'{"creationInfo":{"creators":["Tool: fpack-0.1.0"]}',
    "app.spdx-3.0.1.json": b'{"createdUsing":["https://spdx.org/spdxdocs/app-1/tool/fpack-0.1.0"]',
    "app.size.html": b'<!DOCTYPE html>\n<meta content="trusted-types \'none\'">\n<meta name="viewport"',
}
USERS = {
    "app.tar": tar("app/index.json"),
    "other.tar": KEPT,
    "layout.bundle": tar("oci-layout"),
    "git.bundle": b"# v2 git bundle\n",
    "index.tar": tar("index.json", mtime=1700000000),
    "mine.tar": tar("index.json", uid=1000),
    "legal.tar": tar("README.txt", mtime=1700000000, content=LEGAL),
    "readme.tar": tar("README.txt", content=b"Licences\n"),
    "data.rootfs.tar": tar("./", mtime=1700000000),
    "bad.rootfs.tar.gz": b"\x1f\x8bnone",
    "x.deb": b"!<arch>\ndebian-binary   1700000000  0     0     100644  4         `\n2.0\n",
    "x.rpm": b"\xed\xab\xee\xdb\3\0\0\0\0\1app-1-1\0\0",
    "x.squashfs": b"hsqs\x23\0\0\0" + bytes(4),
    "x.manifest.json": b'{"format": 2, "name": "fpack"}',
    "x.cyclonedx-1.6.json": b'{"tools":{"components":[{"bom-ref":"other","name":"other"',
    "fixture.json": b'{"creators":["Tool: fpack-0.1.0"]}',
    "x.size.html": b"<!DOCTYPE html><p>fpack",
    "empty.tar": b"",
    "index.html": b'<!DOCTYPE html>\n<meta content="trusted-types \'none\'">\n<meta name="viewport"',
}


def names(directory: Path) -> set[str]:
    return {os.fsdecode(name) for name, _ in entries(directory)}


@pytest.mark.parametrize("name", OWN)
def test_what_fpack_wrote_is_left_out_at_the_top_and_below(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(OWN[name])
    assert names(tmp_path) == set()
    assert is_own_output(os.fsencode(tmp_path / name), name.encode(), False)


@pytest.mark.parametrize("name", USERS)
def test_what_only_looks_alike_is_kept(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(USERS[name])
    assert names(tmp_path) == {name}


@pytest.mark.parametrize("name", ["app.tar", "app.manifest.json"])
def test_neither_the_name_nor_the_content_alone_leaves_a_file_out(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.txt").write_bytes(OWN[name])
    (tmp_path / name).write_bytes(b"mine")
    assert names(tmp_path) == {name, f"{name}.txt"}


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_small_file_that_declares_gigabytes_takes_little_memory(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"bomb.tar{suffix}"
    zeros = bytes(64 << 20)
    path.write_bytes(gzip.compress(zeros) if suffix == ".gz" else zstandard.compress(zeros))
    del zeros
    mapped = [int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if "VmData" in line]
    limit = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, ((mapped[0] << 10) + (32 << 20), limit[1]))
    try:
        assert not is_own_output(os.fsencode(path), os.fsencode(path.name), False)
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, limit)


def test_links_to_results_are_left_out_under_any_name(tmp_path: Path) -> None:
    stored = f"/home/ann/.local/share/fpack/store/{'a' * 32}-app-1"
    for name, target in {"result": "x", "mine": stored, "kept": "/etc/hosts", "deep": f"{stored}/bin"}.items():
        (tmp_path / name).symlink_to(target)
    assert names(tmp_path) == {"kept", "deep"}


def test_an_image_in_a_directory_is_left_out(tmp_path: Path) -> None:
    for name, files in {"app.oci": ["oci-layout", "fpack-referrers.json"], "other.oci": ["oci-layout"]}.items():
        (tmp_path / name).mkdir()
        for file in files:
            (tmp_path / name / file).touch()
    assert names(tmp_path) == {"other.oci"}


def test_a_link_and_a_pipe_are_no_image(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tar")
    (tmp_path / "image").write_bytes(OWN["app.tar"])
    (tmp_path / "link.tar").symlink_to("image")
    assert names(tmp_path) == {"pipe.tar", "image", "link.tar"}


@pytest.mark.parametrize("name", ["deploy.bin", "layout"])
def test_what_a_command_is_told_to_write_is_no_part_of_its_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for kept in ("a", "below"):
        (tmp_path / kept).mkdir()
        (tmp_path / kept / name).touch()
    monkeypatch.chdir(tmp_path)
    leave_out(name)
    if name == "layout":
        (tmp_path / name).mkdir()
        (tmp_path / name / "oci-layout").touch()
        leave_out(name)  # as the next command does
    else:
        (tmp_path / name).touch()
    assert names(tmp_path) == {"a", "below"} and names(tmp_path / "a") == {name}


def test_a_directory_of_other_files_is_a_part_of_the_sources_of_the_command_that_writes_into_it(tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "mine.txt").touch()
    leave_out(tmp_path / "dist")
    assert names(tmp_path) == {"dist"}


def test_a_directory_for_documents_is_left_out_before_and_after_they_are_written(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    leave_out(docs)
    assert names(tmp_path) == set()
    for name in ("app.cyclonedx-1.6.json", "app.spdx-2.3.json"):
        (docs / name).write_bytes(OWN[name])
    leave_out(docs)
    assert names(tmp_path) == set()


def test_the_target_of_a_link_that_is_written_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "target.bin").touch()
    (tmp_path / "link").symlink_to("target.bin")
    leave_out(tmp_path / "link")
    assert names(tmp_path) == set()
