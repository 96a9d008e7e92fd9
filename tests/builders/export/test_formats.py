"""An image's file system as a tar, a squashfs, a deb and an rpm, before the tools that those are for."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import subprocess
import tarfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.export import deb, flattened, rootfs, rpm, squashfs
from fpack.builders.streams.codecs import codec
from fpack.builders.streams.output_file import ExportError
from fpack.store import canonical
from fpack.store.errors import DamagedPath
from fpack.store.path import StorePath
from support.images.layout import Layout
from support.images.small_images import Node, Workshop, folder, link, program, read_tar, unpacked

Write = Callable[[Path, Callable[[str], Path], Mapping[str, Any], Path], None]
WRITERS: dict[str, Write] = {
    "rootfs": rootfs.write_rootfs,
    "squashfs": squashfs.write_squashfs,
    "deb": deb.write_deb,
    "rpm": rpm.write_rpm,
}
MTIME = 315619200


def need(*tools: str) -> None:
    absent = [tool for tool in tools if not shutil.which(tool)]
    if absent:
        pytest.skip(f"not installed: {', '.join(absent)}")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("formats") / "fpack")


def make(shop: Workshop, compress: str = "zstd:3", max_layers: int = 100, **args: Any) -> StorePath:
    slices = {
        "base-files": {"etc/os-release": b"ID=debian\n", "usr/lib": folder(), "etc": folder()},
        "app": {
            "usr/bin/app": program(b"#!/usr/bin/su\n" * 9),
            "usr/bin/su": Node(b"set-id", 0o4755),
            "usr/share/größe": b"x" * 70_001,
            "usr/share/latin-\udce4": b"not UTF-8",
            # A neighbour that sorts between a directory and what is in it.
            "usr/share/doc/a": b"a",
            "usr/share/doc-base/b": b"b",
            "usr/share/doc.txt": b"",
            "secret": Node(b"s", 0o600, 999, 998),
        },
        **{f"p{i}": {f"usr/share/{'long' * 40}/p{i}": b"%d" % i * i} for i in range(12)},
    }
    generated = {
        "bin": link("usr/bin"),
        "etc/passwd": b"root:x:0:0::/root:/bin/sh\napp:x:999:998::/home/app:/bin/sh\n",
        "etc/group": b"root:x:0:\napp:x:998:\n",
        "tmp": folder(0o1777),
        "var/app": folder(0o750, 999, 998),
    }
    config = {"user": "app", "command": ["serve"], "volumes": ["/var/app"], **args.pop("config", {})}
    more = {"name": "me/app", "tag": "1.2-3", "program": "app", **args}
    root = shop.root(slices, generated)
    return shop.image(root, config, compress=compress, max_layers=max_layers, **more)


@pytest.fixture(scope="module")
def image(shop: Workshop) -> StorePath:
    return make(shop)


def write(shop: Workshop, form: str, image: StorePath, out: Path, compress: str = "zstd:3") -> Path:
    if form == "squashfs":
        need("mksquashfs")
    WRITERS[form](shop.tree(image), shop.tree, codec(compress), out)
    return out


def merged(shop: Workshop, image: StorePath, scratch: Path) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    """Return the files that a container sees, found by other code than fpack's."""
    shop.layout(image, scratch)
    return Layout(scratch).entries("linux/amd64")


def facts(info: tarfile.TarInfo, data: bytes) -> tuple[Any, ...]:
    return info.type, info.mode, info.uid, info.gid, info.mtime, info.linkname, data


class TestRootFileSystem:
    def test_it_is_what_a_container_sees(self, shop: Workshop, image: StorePath, tmp_path: Path) -> None:
        found = read_tar(write(shop, "rootfs", image, tmp_path / "out.tar", "none").read_bytes())
        root = found.pop(".")
        assert root[0].mode == 0o755
        expected = merged(shop, image, tmp_path / "layout")
        expected.pop(".", None)
        assert {path: facts(*each) for path, each in found.items()} == {p: facts(*e) for p, e in expected.items()}
        assert found["secret"][0].uid == 999 and found["usr/bin/su"][0].mode == 0o4755

    def test_what_is_in_a_directory_follows_it(self, shop: Workshop, image: StorePath, tmp_path: Path) -> None:
        """Else tar, which sets a directory's time when it leaves it, would set it too early."""
        found = list(read_tar(write(shop, "rootfs", image, tmp_path / "out.tar", "none").read_bytes()))
        for place, path in enumerate(found):
            below = [n for n, other in enumerate(found) if other.startswith(f"{path}/")]
            assert below == list(range(place + 1, place + 1 + len(below))), path

    @pytest.mark.parametrize("compress", ["gzip", "zstd:5"])
    def test_it_is_the_same_however_the_image_is_layered(self, shop: Workshop, tmp_path: Path, compress: str) -> None:
        one = write(shop, "rootfs", make(shop, compress, max_layers=6), tmp_path / "1.tar", "none")
        two = write(shop, "rootfs", make(shop, "none"), tmp_path / "2.tar", "none")
        assert one.read_bytes() == two.read_bytes()
        packed = write(shop, "rootfs", make(shop), tmp_path / "3.tar", compress)
        assert unpacked(packed.read_bytes()) == one.read_bytes()

    def test_a_later_layer_counts(self, shop: Workshop, tmp_path: Path) -> None:
        root = shop.root(
            {"a": {"x": b"first", "d/e/f": b"gone"}, "b": {"x": b"second"}}, excluded=[["a", b"x", "replaced", "b"]]
        )
        image = shop.image(root)
        record = canonical.decode((shop.disk(image) / "image").read_bytes())
        # Two layers that no builder would put into one image: a file where there was a directory.
        over = shop.layer([shop.table("over", {"d": b"a file now", "y": link("x")})])
        info = canonical.decode((shop.disk(over) / "layer").read_bytes())
        place = tmp_path / "image"
        shutil.copytree(shop.disk(image), place)
        os.chmod(place, 0o755)
        record["layers"].append({"path": str(over), "packages": [], **info})
        os.chmod(place / "image", 0o644)
        (place / "image").write_bytes(canonical.encode(record))
        rootfs.write_rootfs(shop.store.tree_at(place), shop.tree, codec("none"), tmp_path / "out.tar")
        found = read_tar((tmp_path / "out.tar").read_bytes())
        assert found["x"][1] == b"second" and found["d"][1] == b"a file now" and found["y"][0].issym()
        assert not [path for path in found if path.startswith("d/")]

    def test_tar_makes_it_again(self, shop: Workshop, image: StorePath, tmp_path: Path) -> None:
        write(shop, "rootfs", image, tmp_path / "out.tar", "none")
        (tmp_path / "root").mkdir()
        as_root = [] if os.getuid() == 0 else ["--no-same-owner"]
        subprocess.run(["tar", "-xpf", "out.tar", *as_root, "-C", "root"], cwd=tmp_path, check=True)
        for place in [tmp_path / "root", *(tmp_path / "root").rglob("*")]:
            assert place.lstat().st_mtime == MTIME, place

    def test_a_pipe_is_written_to(self, shop: Workshop, image: StorePath, tmp_path: Path) -> None:
        write(shop, "rootfs", image, tmp_path / "a.tar")
        os.mkfifo(tmp_path / "pipe")
        received: list[bytes] = []
        reader = threading.Thread(target=lambda: received.append((tmp_path / "pipe").read_bytes()))
        reader.start()
        write(shop, "rootfs", image, tmp_path / "pipe")
        reader.join(60)
        assert received == [(tmp_path / "a.tar").read_bytes()]


# What holds for all of them.


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("compress", ["zstd:3", "gzip", "none"])
def test_it_is_the_same_each_time(
    shop: Workshop, image: StorePath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, compress: str
) -> None:
    first = write(shop, form, image, tmp_path / "first", compress)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    before = os.umask(0o077)
    try:
        (tmp_path / "elsewhere").mkdir()
        second = write(shop, form, image, tmp_path / "elsewhere" / "second", compress)
    finally:
        os.umask(before)
    assert first.read_bytes() == second.read_bytes()
    assert {p.name for p in tmp_path.iterdir()} == {"first", "elsewhere"}


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("call", ["write", "pwrite", "rename"])
def test_a_full_disk_leaves_nothing(
    shop: Workshop, image: StorePath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, call: str
) -> None:
    if call == "pwrite" and form not in ("deb", "rpm"):
        pytest.skip("it is written from its beginning to its end")
    (tmp_path / "out").write_bytes(b"what was there")

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(ExportError) as error:
        write(shop, form, image, tmp_path / "out")
    monkeypatch.undo()
    assert error.value.why == os.strerror(errno.ENOSPC) and error.value.hint
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out").read_bytes() == b"what was there"


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("damage", ["shorter", "zstd:3", "none"])
def test_a_damaged_layer_is_noticed(shop: Workshop, tmp_path: Path, form: str, damage: str) -> None:
    noise = hashlib.shake_256(f"{form} {damage}".encode()).digest(50_000)
    image = make(shop, config={"labels": {"a": form}})
    layer = shop.layer([shop.table(form, {"noise": noise})], "none" if damage == "none" else "zstd:3")
    record = canonical.decode((shop.disk(image) / "image").read_bytes())
    info = canonical.decode((shop.disk(layer) / "layer").read_bytes())
    blob = shop.disk(layer) / "blob"
    blob.chmod(0o644)
    data = bytearray(blob.read_bytes())
    data[len(data) // 2] ^= 0xFF
    blob.write_bytes(data[:-20] if damage == "shorter" else data)
    place = tmp_path / "image"
    shutil.copytree(shop.disk(image), place)
    os.chmod(place, 0o755)
    os.chmod(place / "image", 0o644)
    record["layers"].append({"path": str(layer), "packages": [], **info})
    (place / "image").write_bytes(canonical.encode(record))
    if form == "squashfs":
        need("mksquashfs")
    with pytest.raises(DamagedPath, match="damaged"):
        WRITERS[form](shop.store.tree_at(place), shop.tree, codec("none"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("form", ["squashfs", "deb", "rpm"])
def test_what_is_begun_last_goes_into_no_pipe(shop: Workshop, image: StorePath, tmp_path: Path, form: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    keeper = os.open(tmp_path / "pipe", os.O_RDWR)
    try:
        with pytest.raises(ExportError, match="cannot be written"):
            write(shop, form, image, tmp_path / "pipe")
    finally:
        os.close(keeper)


@pytest.mark.parametrize("form", ["deb", "rpm"])
def test_an_image_that_runs_nothing_is_no_package(shop: Workshop, tmp_path: Path, form: str) -> None:
    image = shop.image(shop.root({"data": {"usr/share/x": b"x"}}))
    with pytest.raises(ExportError, match="cannot be a package"):
        write(shop, form, image, tmp_path / "out")


class TestSquashfs:
    def test_it_holds_what_a_container_sees(self, shop: Workshop, image: StorePath, tmp_path: Path) -> None:
        need("mksquashfs", "unsquashfs")
        if os.getuid():
            pytest.skip("only root can make the owners of files")
        write(shop, "squashfs", image, tmp_path / "image")
        command = ["unsquashfs", "-q", "-n", "-d", "root", "image"]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        expected = merged(shop, image, tmp_path / "layout")
        expected.pop(".", None)
        root = tmp_path / "root"
        found = {str(p.relative_to(root)): p for p in root.rglob("*")}
        assert found.keys() == expected.keys()
        for path, (info, data) in expected.items():
            status = found[path].lstat()
            assert (status.st_uid, status.st_gid, status.st_mtime) == (info.uid, info.gid, MTIME), path
            if not info.issym():
                assert stat.S_IMODE(status.st_mode) == info.mode, path
            assert (not info.isfile()) or found[path].read_bytes() == data, path
            assert (not info.issym()) or os.readlink(found[path]) == info.linkname, path
        assert stat.S_IMODE(root.stat().st_mode) == 0o755 and root.stat().st_mtime == MTIME

    def test_the_number_of_processors_changes_nothing(
        self, shop: Workshop, image: StorePath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one = write(shop, "squashfs", image, tmp_path / "one")
        few = tuple("1" if option == "2" else option for option in squashfs._OPTIONS)
        assert few != squashfs._OPTIONS
        monkeypatch.setattr(squashfs, "_OPTIONS", few)
        assert write(shop, "squashfs", image, tmp_path / "two").read_bytes() == one.read_bytes()

    def test_a_tool_that_is_not_there_is_named_with_its_package(
        self, shop: Workshop, image: StorePath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(ExportError, match="mksquashfs is not installed") as error:
            squashfs.write_squashfs(shop.tree(image), shop.tree, codec("zstd"), tmp_path / "out")
        assert "squashfs-tools" in error.value.hint

    def test_a_tool_that_fails_is_quoted(
        self, shop: Workshop, image: StorePath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tool = tmp_path / "mksquashfs"
        tool.write_text("#!/bin/sh\necho FATAL: no such option; exit 1\n")
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        with pytest.raises(ExportError, match="failed") as error:
            squashfs.write_squashfs(shop.tree(image), shop.tree, codec("zstd"), tmp_path / "out")
        assert "no such option" in error.value.why and not (tmp_path / "out").exists()


def check_package(root: Path, expected: Mapping[str, tuple[tarfile.TarInfo, bytes]]) -> None:
    """That an unpacked package holds an image's files below /opt, as the machine's root has them."""
    inside = root / "opt/app/root"
    for path, (info, data) in expected.items():
        place = inside / path
        status = place.lstat()
        if info.isfile():
            assert place.read_bytes() == data, path
            assert stat.S_IMODE(status.st_mode) == (0o755 if info.mode & 0o111 else 0o644), path
        elif info.issym():
            assert os.readlink(place) == info.linkname, path
        else:
            assert place.is_dir() and stat.S_IMODE(status.st_mode) == 0o755, path
        # cpio sets the times of files alone.
        assert status.st_mtime == MTIME or not info.isfile(), path
    more = {str(p.relative_to(inside)) for p in inside.rglob("*")} - expected.keys()
    assert all(not any((inside / path).iterdir()) for path in more if (inside / path).is_dir())
    assert {"proc", "dev", "sys"} <= more
    assert (root / "usr/bin/app").resolve() == (root / "opt/app/bin/app").resolve()
    assert {p.name for p in root.iterdir()} == {"opt", "usr"}


class TestDeb:
    @pytest.mark.parametrize("compress", ["zstd:3", "gzip", "none"])
    def test_dpkg_unpacks_it(self, shop: Workshop, image: StorePath, tmp_path: Path, compress: str) -> None:
        need("dpkg-deb")
        out = write(shop, "deb", image, tmp_path / "app.deb", compress)
        expected = merged(shop, image, tmp_path / "layout")
        expected.pop(".", None)
        subprocess.run(["dpkg-deb", "-x", out, tmp_path / "root"], check=True)
        check_package(tmp_path / "root", expected)
        listed = subprocess.run(["dpkg-deb", "-c", out], check=True, capture_output=True, text=True, errors="replace")
        lines = listed.stdout.splitlines()
        assert lines[0].endswith("./") and all(line.split()[1] == "0/0" for line in lines)
        assert len([line for line in lines if line.endswith(" ./opt/app/bin/app")]) == 1

    def test_it_says_what_it_is(self, shop: Workshop, image: StorePath, tmp_path: Path) -> None:
        need("dpkg-deb")
        out = write(shop, "deb", image, tmp_path / "app.deb")

        def field(name: str) -> str:
            command = ["dpkg-deb", "-f", str(out), name]
            return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

        assert field("Package") == "fpack-app" and field("Version") == "1.2-3"
        assert field("Architecture") == "amd64" and field("Depends") == "bubblewrap"
        assert int(field("Installed-Size")) >= 70
        assert field("Description").startswith("me/app:1.2-3")

    def test_its_checksums_are_those_of_its_files(self, shop: Workshop, image: StorePath, tmp_path: Path) -> None:
        need("dpkg-deb", "md5sum")
        out = write(shop, "deb", image, tmp_path / "app.deb")
        subprocess.run(["dpkg-deb", "-R", out, tmp_path / "root"], check=True)
        sums = (tmp_path / "root/DEBIAN/md5sums").read_bytes()
        subprocess.run(["md5sum", "--quiet", "-c", "-"], input=sums, cwd=tmp_path / "root", check=True)
        files = [p for p in (tmp_path / "root").rglob("*") if p.is_file() and not p.is_symlink()]
        assert len(sums.splitlines()) == len(files) - 2

    @pytest.mark.parametrize(
        ("tag", "version"),
        [("1.2-3", "1.2-3"), ("latest", "0+latest"), ("17", "17"), ("1_2", "1.2"), ("v1", "0+v1"), ("1..2", "1..2")],
    )
    def test_a_tag_becomes_a_version(self, tag: str, version: str) -> None:
        assert deb.version(tag) == version
        if shutil.which("dpkg"):
            subprocess.run(["dpkg", "--validate-version", version], check=True)

    def test_its_file_name(self) -> None:
        assert deb.file_name("ghcr.io/me/my__app", "latest", "arm64") == "fpack-my-app_0+latest_arm64.deb"


class TestRpm:
    @pytest.mark.parametrize("compress", ["zstd:3", "gzip", "none"])
    def test_rpm2cpio_unpacks_it(self, shop: Workshop, image: StorePath, tmp_path: Path, compress: str) -> None:
        need("rpm2cpio", "cpio")
        out = write(shop, "rpm", image, tmp_path / "app.rpm", compress)
        expected = merged(shop, image, tmp_path / "layout")
        expected.pop(".", None)
        archive = subprocess.run(["rpm2cpio", out], check=True, capture_output=True).stdout
        (tmp_path / "root").mkdir()
        subprocess.run(["cpio", "-idm", "--quiet"], input=archive, cwd=tmp_path / "root", check=True)
        check_package(tmp_path / "root", expected)

    @pytest.mark.parametrize("compress", ["zstd:3", "gzip", "none"])
    def test_rpm_finds_its_checksums_right(
        self, shop: Workshop, image: StorePath, tmp_path: Path, compress: str
    ) -> None:
        need("rpm")
        out = write(shop, "rpm", image, tmp_path / "app.rpm", compress)
        command = ["rpm", "--dbpath", str(tmp_path / "db"), "-Kv", str(out)]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
        lines = done.stdout.splitlines()[1:]
        assert done.returncode == 0 and len(lines) >= 4 and all(line.endswith(": OK") for line in lines), done.stdout
        data = bytearray(out.read_bytes())
        data[-100] ^= 1
        out.write_bytes(data)
        assert subprocess.run(command, capture_output=True).returncode != 0

    def test_it_says_what_it_is(self, shop: Workshop, image: StorePath, tmp_path: Path) -> None:
        need("rpm")
        out = write(shop, "rpm", image, tmp_path / "app.rpm")

        def query(*options: str) -> list[str]:
            command = ["rpm", "--dbpath", str(tmp_path / "db"), "-qp", *options, str(out)]
            done = subprocess.run(command, check=True, capture_output=True, text=True, errors="surrogateescape")
            return done.stdout.splitlines()

        shown = query("--qf", "%{name}|%{version}|%{release}|%{arch}|%{os}|%{summary}\n")
        assert shown == ["fpack-app|1.2_3|1|x86_64|linux|me/app:1.2-3, with all that it needs at run time"]
        assert "bubblewrap" in query("--requires")
        files = query("-l")
        assert {"/opt/app/bin/app", "/usr/bin/app", "/opt/app/root/secret", "/opt/app/root/bin"} <= set(files)
        assert "/opt/app/root/usr/share/latin-\udce4" in files
        assert not {"/opt", "/usr", "/usr/bin"} & set(files)
        owners = set(query("--qf", "[%{fileusername} %{filegroupname}\n]"))
        assert owners == {"root root"}

    def test_rpm_installs_and_verifies_it(self, shop: Workshop, image: StorePath, tmp_path: Path) -> None:
        need("rpm")
        if os.getuid():
            pytest.skip("only root can install packages")
        out = write(shop, "rpm", image, tmp_path / "app.rpm")
        (tmp_path / "root").mkdir()
        rpm_command = ["rpm", "--root", str(tmp_path / "root"), "--dbpath", "/db", "--nodeps"]
        subprocess.run([*rpm_command, "-i", str(out)], check=True, capture_output=True)
        assert (tmp_path / "root/opt/app/root/usr/share/größe").stat().st_size == 70_001
        done = subprocess.run([*rpm_command, "-V", "fpack-app"], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
        (tmp_path / "root/opt/app/root/secret").write_text("other")
        assert subprocess.run([*rpm_command, "-V", "fpack-app"], capture_output=True).returncode != 0

    def test_its_file_name(self) -> None:
        assert rpm.file_name("me/app", "1.2-3", "arm64") == "fpack-app-1.2_3-1.aarch64.rpm"

    def test_a_file_that_is_too_large_is_named(
        self, shop: Workshop, image: StorePath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rpm, "_LIMIT", 70_000)
        with pytest.raises(ExportError, match="4 GiB") as error:
            write(shop, "rpm", image, tmp_path / "app.rpm")
        assert error.value.where.endswith("größe")

    def test_large_packages_have_numbers_of_64_bits(
        self, shop: Workshop, image: StorePath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        need("rpm")
        monkeypatch.setattr(rpm, "_LIMIT", 71_000)
        out = write(shop, "rpm", image, tmp_path / "app.rpm", "none")
        db = ["rpm", "--dbpath", str(tmp_path / "db")]
        assert subprocess.run([*db, "-K", str(out)], capture_output=True).returncode == 0
        show = [*db, "-qp", "--qf", "%{longsize} %{longsigsize} %{size}", str(out)]
        sizes = subprocess.run(show, check=True, capture_output=True, text=True).stdout.split()
        assert int(sizes[0]) > 71_000 and int(sizes[1]) > 71_000


def test_the_content_of_files_can_be_read_in_any_order(shop: Workshop, image: StorePath, tmp_path: Path) -> None:
    with flattened.FileSystem(shop.tree(image), shop.tree, tmp_path, "sha256") as files:
        found = [m for m in files.members() if m.kind == "f"]
        for member in reversed(found):
            data = b"".join(files.content(member))
            assert len(data) == member.size
            assert hashlib.sha256(data).digest() == files.entries[member.path].digest
    assert list(tmp_path.iterdir()) == []
