"""Packing into what is no image: which files come out, under which names, and what is said of them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from support.archives.archive import Archive
from support.fixtures import archive as archive
from support.processes.program import Fpack


@pytest.fixture(scope="module")
def fpack(tmp_path_factory: pytest.TempPathFactory, archive: Archive) -> Fpack:
    return Fpack(tmp_path_factory.mktemp("formats") / "home", archive)


HELLO = "debian.trixie.hello"
NAMES = {
    "tar": "hello.tar",
    "oci-dir": "hello.oci",
    "rootfs-tar": "hello.rootfs.tar",
    "squashfs": "hello.squashfs",
    "deb": "fpack-hello_2.10-3_amd64.deb",
    "rpm": "fpack-hello-2.10_3-1.x86_64.rpm",
}


@pytest.mark.parametrize("form", NAMES)
def test_its_default_name_and_what_is_printed(fpack: Fpack, tmp_path: Path, form: str) -> None:
    if form == "squashfs" and not shutil.which("mksquashfs"):
        pytest.skip("mksquashfs is not installed")
    result = fpack.pack(HELLO, "--format", form, "--arch", "amd64", cwd=tmp_path)
    assert result["file"] == NAMES[form] and (tmp_path / NAMES[form]).exists()
    assert result["digest"] == fpack.pack(HELLO, "--arch", "amd64", "-o", tmp_path / "image.tar")["digest"]
    if form not in ("tar", "oci-dir"):
        assert result["size"] == (tmp_path / NAMES[form]).stat().st_size
        assert not list(tmp_path.glob("*.manifest.json")) or {p.name for p in tmp_path.glob("*.manifest.json")} == {
            "image.manifest.json"
        }
    first = (tmp_path / NAMES[form]).read_bytes() if form != "oci-dir" else b""
    words = fpack("pack", HELLO, "--format", form, "--arch", "amd64", cwd=tmp_path).stdout
    assert NAMES[form] in words and ("Run it:" in words or "Use it:" in words)
    assert form == "oci-dir" or (tmp_path / NAMES[form]).read_bytes() == first


def test_the_codec_is_the_files_and_not_the_images(fpack: Fpack, tmp_path: Path) -> None:
    plain = fpack.pack(HELLO, "--format", "rootfs-tar", cwd=tmp_path)
    packed = fpack.pack(HELLO, "--format", "rootfs-tar", "--compress", "gzip", cwd=tmp_path)
    assert plain["file"] == "hello.rootfs.tar" and packed["file"] == "hello.rootfs.tar.gz"
    assert plain["digest"] == packed["digest"]
    done = subprocess.run(["gzip", "-dc", packed["file"]], cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout == (tmp_path / plain["file"]).read_bytes()


def test_a_directory_takes_the_file_under_its_name(fpack: Fpack, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    result = fpack.pack(HELLO, "--format", "deb", "--arch", "amd64", "-o", tmp_path / "out")
    assert result["file"] == str(tmp_path / "out" / NAMES["deb"])


def test_a_package_for_another_architecture(fpack: Fpack, archive: Archive, tmp_path: Path) -> None:
    if not shutil.which("dpkg-deb"):
        pytest.skip("dpkg-deb is not installed")
    fpack.pack(HELLO, "--format", "deb", "--platform", "linux/amd64", cwd=tmp_path)
    command = ["dpkg-deb", "-f", tmp_path / NAMES["deb"], "Architecture"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "amd64\n"


@pytest.mark.parametrize("form", ["rootfs-tar", "squashfs", "deb", "rpm"])
def test_one_platform_at_a_time(fpack: Fpack, tmp_path: Path, form: str) -> None:
    done = fpack("pack", HELLO, "--format", form, "--platform", "linux/amd64,linux/arm64", cwd=tmp_path, status=2)
    assert "supports only one platform" in done.stderr and not list(tmp_path.iterdir())


def test_a_missing_tool_is_missed_before_anything_is_built(fpack: Fpack, tmp_path: Path) -> None:
    env = {"PATH": str(tmp_path), "FPACK_ROOT": str(tmp_path / "store")}
    message = fpack.fails("pack", HELLO, "--format", "squashfs", env=env)
    assert "apt install squashfs-tools" in message and not (tmp_path / "store").exists()


def test_a_root_file_system_goes_down_a_pipe(fpack: Fpack, tmp_path: Path) -> None:
    fpack.pack(HELLO, "--format", "rootfs-tar", "-o", tmp_path / "a.tar")
    command = " ".join(fpack.command("pack", HELLO, "--format", "rootfs-tar", "-o", "/dev/stderr"))
    done = subprocess.run(["sh", "-c", f"{command} 2>&1 >/dev/null | cat"], env=fpack.env, capture_output=True)
    assert done.stdout == (tmp_path / "a.tar").read_bytes()


@pytest.mark.long
def test_a_large_image_takes_little_memory(fpack: Fpack, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with open(tmp_path / "data" / "noise", "wb") as file:
        for _ in range(400):
            file.write(os.urandom(1 << 20))
    (tmp_path / "fpack.fp").write_text(
        'debian = import("fpack/debian").trixie\n'
        'image = container { packages = [debian.hello], files = { "/data" = ./data } }\n'
    )
    for form in ("tar", "deb"):
        command = fpack.command("pack", "--json", "--format", form, "-o", str(tmp_path / form))
        process = subprocess.Popen(command, cwd=tmp_path, env=fpack.env, stdout=subprocess.PIPE)
        assert process.stdout is not None
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0 and json.loads(printed)["size_unpacked"] > 400 << 20
        assert usage.ru_maxrss < 300_000, form


def test_the_tar_is_read_by_python_too(fpack: Fpack, tmp_path: Path) -> None:
    fpack.pack(HELLO, "--format", "rootfs-tar", "-o", tmp_path / "a.tar")
    with tarfile.open(tmp_path / "a.tar") as opened:
        names = opened.getnames()
    assert "usr/bin/hello" in names and len(names) == len(set(names))


@pytest.mark.parametrize(
    ("name", "form"), [("deploy.bin", "tar"), ("link", "tar"), ("layout", "oci-dir"), ("empty", "oci-dir")]
)
def test_an_output_beside_the_sources_is_no_part_of_the_next_one_whatever_its_name(
    fpack: Fpack, name: str, form: str
) -> None:
    project = fpack.home / f"beside-{name}"
    project.mkdir()
    if name == "empty":
        (project / name).mkdir()
    if name == "link":
        (project / name).symlink_to("target.bin")
    (project / "fpack.fp").write_text(
        'debian = import("fpack/debian").trixie\n'
        'image = container { packages = [debian.hello], files = { "/srv" = ./. } }\n'
    )
    made = set()
    for _ in range(3):
        fpack("pack", "-o", name, "--format", form, cwd=project)
        file = project / name
        made.add((file / "index.json" if form == "oci-dir" else file).read_bytes())
    assert len(made) == 1
