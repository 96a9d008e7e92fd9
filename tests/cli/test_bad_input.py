"""Bad input ends with a message that names it, registers nothing, and the next run with good input succeeds."""

from __future__ import annotations

import io
import os
import re
import sqlite3
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.archives.archive import Archive, link, new_key
from support.fixtures import new_user as new_user
from support.fixtures import own_archive as own_archive
from support.processes.program import Fpack
from support.servers.httpserver import Server

DAY = 86400


@pytest.fixture
def server(archive: Archive) -> Iterator[Server]:
    with Server(archive.folder) as server:
        yield server


def kinds(fpack: Fpack) -> list[str]:
    """Return the names of the valid paths."""
    place = fpack.home / "store" / "db" / "fpack.sqlite"
    if not place.exists():
        return []
    with sqlite3.connect(place) as db:
        return [name for (name,) in db.execute("SELECT name FROM paths ORDER BY name")]


def check_store(fpack: Fpack) -> None:
    """Check that every valid path is there and has its digest, and that nothing else is there."""
    from fpack.store.files.tree import scan, tree_digest
    from fpack.store.store import Store

    store = Store(fpack.home / "store")
    for info in store.database.paths():
        assert tree_digest(scan(os.fspath(store.disk(info.path)))) == info.tree, info.path
    store.close()


# Options.


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--port", "99999", "--port: '99999' is not a port"),
        ("--volume", "rel", "--volume: The volume is not an absolute path"),
        ("--user", "", "--user: '' is not a user"),
        ("--user", "1000:", "--user: '1000:' is not a user"),
        ("--user", "a:b:c", "--user: 'a:b:c' is not a user"),
        ("--user", "a b", "--user: 'a b' is not a user"),
        ("--user", "1000:99999999999", "--user: '1000:99999999999' is not a user: 99999999999 is larger"),
        ("--entrypoint", " ", "--entrypoint has no words"),
        ("--command", "", "--command has no words"),
        ("--env", "A", "--env: 'A' sets no variable"),
        ("--env", os.fsdecode(b"A=\xff"), "--env: the value must be UTF-8: it is A=\\xff"),
        ("--env", os.fsdecode(b"\xff=1"), "--env: the value must be UTF-8: it is \\xff=1"),
        ("--command", os.fsdecode(b"jq \xff"), "--command: the value must be UTF-8: it is jq \\xff"),
    ],
)
@pytest.mark.parametrize("verb", ["pack", "try"])
def test_a_wrong_value_of_an_option_is_told_before_anything_is_read(
    tmp_path: Path, verb: str, option: str, value: str, message: str
) -> None:
    done = Fpack(tmp_path / "home")(verb, "#nothing", option, value, status=2)
    assert message in " ".join(done.stderr.split()).replace(" why: ", ": "), done.stderr


# Indexes.


def test_an_unsigned_index(fpack: Fpack, archive: Archive) -> None:
    place = archive.inrelease()
    text = place.read_text()
    place.write_text(text[text.index("\n\n") + 2 : text.index("-----BEGIN PGP SIGNATURE")])
    assert "sign" in fpack.fails("pack", "debian.trixie.hello")
    assert kinds(fpack) == []
    archive.publish()
    fpack.pack("debian.trixie.hello")


def test_an_index_signed_by_a_stranger(fpack: Fpack, archive: Archive) -> None:
    archive.publish(key=new_key())
    message = fpack.fails("pack", "debian.trixie.hello")
    assert "key" in message and "InRelease" in message


def test_an_index_that_was_changed_after_signing(fpack: Fpack, archive: Archive) -> None:
    place = archive.inrelease()
    place.write_text(place.read_text().replace("Codename: trixie", "Codename: trixi3"))
    assert "signature" in fpack.fails("pack", "debian.trixie.hello")


def test_a_store_that_others_can_write_to(fpack: Fpack) -> None:
    root = fpack.home / "shared"
    root.mkdir()
    root.chmod(0o770)
    message = fpack.fails("pack", "debian.trixie.hello", env={"FPACK_ROOT": str(root)})
    assert "A group can change the store" in message and f"FPACK_SHARED_STORE={root}" in message
    assert "A group can change" in fpack.fails("gc", env={"FPACK_ROOT": str(root)})
    assert list(root.iterdir()) == []
    fpack.pack("debian.trixie.hello", env={"FPACK_ROOT": str(root), "FPACK_SHARED_STORE": str(root)})


def test_an_expired_index_names_the_date_and_can_be_accepted(fpack: Fpack, archive: Archive) -> None:
    archive.publish(date=time.time() - 30 * DAY, days=7)
    date = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 23 * DAY))
    message = fpack.fails("pack", "debian.trixie.hello")
    assert date in message and "--accept-expired" in message
    fpack.pack("debian.trixie.hello", "--accept-expired")


def test_an_old_index_without_an_expiry_date_is_named_and_can_be_accepted(fpack: Fpack, archive: Archive) -> None:
    archive.publish(date=time.time() - 500 * DAY, days=None)
    message = fpack.fails("pack", "debian.trixie.hello")
    assert "500 days old" in message and "--accept-expired" in message and "--max-index-age" in message
    message = fpack.fails("pack", "debian.trixie.hello", "--max-index-age", "soon")
    assert "--max-index-age is a number of days" in message and "'soon'" in message
    fpack.pack("debian.trixie.hello", "--max-index-age", "501")


@pytest.mark.parametrize("part", ["InRelease", "Packages.xz"])
def test_a_truncated_index(fpack: Fpack, archive: Archive, part: str) -> None:
    found = [p for p in (archive.folder / "debian" / "dists" / "trixie").rglob("*") if p.is_file()]
    for place in [p for p in found if p.name == part or (part != "InRelease" and "by-hash" in str(p))]:
        place.write_bytes(place.read_bytes()[: place.stat().st_size // 2])
    for place in [p for p in found if p.name == "Packages.gz" and part != "InRelease"]:
        place.unlink()
    fpack.fails("pack", "debian.trixie.hello")
    assert kinds(fpack) == []
    archive.publish()
    fpack.pack("debian.trixie.hello")


# Packages.


def pool_file(archive: Archive, name: str) -> Path:
    (place,) = (archive.folder / "debian" / "pool").rglob(f"{name}_*.deb")
    return place


def test_a_package_with_another_hash(fpack: Fpack, archive: Archive) -> None:
    place = pool_file(archive, "libgreet1")
    good = place.read_bytes()
    place.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    message = fpack.fails("pack", "debian.trixie.hello")
    assert "libgreet1" in message and "SHA-256" in message
    place.write_bytes(good)
    fpack.pack("debian.trixie.hello")
    check_store(fpack)


def test_a_truncated_package(fpack: Fpack, archive: Archive) -> None:
    place = pool_file(archive, "libgreet1")
    good = place.read_bytes()
    place.write_bytes(good[: len(good) // 2])
    assert "libgreet1" in fpack.fails("pack", "debian.trixie.hello")
    place.write_bytes(good)
    fpack.pack("debian.trixie.hello")


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    return info, b""


HOSTILE = {
    "climbs": [member("./usr/../../evil")],
    "absolute": [member("/../evil")],
    "symlink-then-file": [member("./usr/share/x", tarfile.SYMTYPE, "/tmp"), member("./usr/share/x/evil")],
    "device": [member("./dev-null", tarfile.CHRTYPE)],
    "fifo": [member("./pipe", tarfile.FIFOTYPE)],
    "long-name": [member("./" + "n" * 5000)],
    "twice": [member("./usr/one"), member("./usr/one")],
    "hardlink-out": [member("./usr/passwd", tarfile.LNKTYPE, "../../etc/passwd")],
}


@pytest.mark.parametrize("name", list(HOSTILE))
def test_a_hostile_package(fpack: Fpack, archive: Archive, name: str) -> None:
    archive.add(f"evil-{name}", members=HOSTILE[name])
    archive.publish()
    message = fpack.fails("pack", f"debian.trixie.evil-{name}")
    assert f"evil-{name}" in message
    assert not any("evil" in k and not k.endswith(".deb") for k in kinds(fpack))
    assert not Path("/tmp/evil").exists() and not (fpack.home / "evil").exists()
    check_store(fpack)


def test_two_packages_that_own_one_path(fpack: Fpack, archive: Archive) -> None:
    archive.add("one", files={"usr/share/thing": "1"}, depends="two")
    archive.add("two", files={"usr/share/thing": "2"})
    archive.publish()
    message = fpack.fails("pack", "debian.trixie.one")
    assert all(word in message for word in ("one", "two", "usr/share/thing"))
    archive.add("one", "2.0", files={"usr/share/thing": "1", "usr/bin/one": link("x")}, depends="two", replaces="two")
    archive.publish()
    fpack("update")
    fpack("build", "debian.trixie.one", status=None)


def test_a_request_that_cannot_be_met_says_which_requirement_fails(fpack: Fpack, archive: Archive) -> None:
    archive.add("app", depends="middle")
    archive.add("middle", depends="libgreet1 (>= 3:9.9)")
    archive.publish()
    message = fpack.fails("pack", "debian.trixie.app")
    assert "middle" in message and "libgreet1 (>= 3:9.9)" in message and "2:1.0~rc1-1" in message
    archive.add("fighter", depends="hello", conflicts="libgreet1")
    archive.publish()
    message = fpack.fails("pack", "debian.trixie.fighter", env={"XDG_STATE_HOME": str(fpack.home / "s2")})
    assert "fighter" in message and "libgreet1" in message


def test_an_unknown_package_names_the_nearest(fpack: Fpack) -> None:
    assert "hello" in fpack.fails("pack", "debian.trixie.helo")
    assert "trixie" in fpack.fails("pack", "debian.trixy.hello")


# Mirrors.


def at(server: Server, archive: Archive) -> dict[str, str]:
    return {"FPACK_MIRROR": archive.mirror_at(server.url)}


def pool_url(archive: Archive, name: str) -> str:
    return "/" + str(pool_file(archive, name).relative_to(archive.folder))


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["404", "403", "html", "cut", "other file"])
def test_a_mirror_that_fails(fpack: Fpack, archive: Archive, server: Server, fault: str) -> None:
    url = pool_url(archive, "libgreet1")
    if fault.isdigit():
        server.fail(url, int(fault))
    elif fault == "html":
        server.page(url)
    elif fault == "cut":
        server.cut(url, 50)
    else:
        server.replace(url, b"x" * pool_file(archive, "libgreet1").stat().st_size)
    message = fpack.fails("pack", "debian.trixie.hello", env=at(server, archive), timeout=200)
    assert "libgreet1" in message
    if fault == "404":
        assert "fpack update" in message
    server.heal()
    fpack.pack("debian.trixie.hello", env=at(server, archive))
    check_store(fpack)


@pytest.mark.slow
def test_a_mirror_that_is_busy_for_a_while_and_one_that_cuts_once(
    fpack: Fpack, archive: Archive, server: Server
) -> None:
    server.fail(pool_url(archive, "libgreet1"), 503, times=2)
    server.cut(pool_url(archive, "hello"), 100, times=1)
    fpack.pack("debian.trixie.hello", env=at(server, archive))


def test_the_next_mirror_is_asked(fpack: Fpack, archive: Archive, server: Server) -> None:
    server.fail(pool_url(archive, "libgreet1"), 404)
    both = f"debian={server.url}/debian {archive.mirror}"
    fpack.pack("debian.trixie.hello", env={"FPACK_MIRROR": both})


def test_no_network(fpack: Fpack) -> None:
    env = {"FPACK_MIRROR": "debian=http://127.0.0.1:9/debian debian-security=http://127.0.0.1:9/s only"}
    done = fpack("pack", "debian.trixie.hello", env=env, status=5)
    assert "127.0.0.1" in done.stderr


# Locks.


def locked(fpack: Fpack) -> tuple[Path, Path]:
    project = fpack.home / "project"
    project.mkdir()
    (project / "fpack.fp").write_text(
        'image = container { packages = [import("fpack/debian").trixie.hello], entrypoint = ["/usr/bin/hello"] }\n'
    )
    fpack("lock", cwd=project)
    return project, project / "fpack.lock"


def test_a_corrupt_lock_names_the_line_and_is_left_alone(fpack: Fpack) -> None:
    project, lock = locked(fpack)
    lines = lock.read_text().splitlines()
    lines.insert(4, "package this is not right")
    lock.write_text("\n".join(lines) + "\n")
    before = lock.read_bytes()
    message = fpack.fails("pack", cwd=project)
    assert "fpack.lock" in message and "5" in message
    assert lock.read_bytes() == before


def test_a_lock_of_a_newer_version(fpack: Fpack) -> None:
    project, lock = locked(fpack)
    lock.write_text(re.sub(r"fpack-lock 1", "fpack-lock 99", lock.read_text()))
    assert "99" in fpack.fails("pack", cwd=project)


def test_a_lock_that_names_a_file_that_no_mirror_has(fpack: Fpack, archive: Archive) -> None:
    project, lock = locked(fpack)
    place = pool_file(archive, "libgreet1")
    good = place.read_bytes()
    place.unlink()
    message = fpack.fails("pack", cwd=project)
    assert "libgreet1" in message and "fpack update" in message and str(time.gmtime().tm_year) in message
    place.write_bytes(good)
    fpack.pack(cwd=project)


def test_a_frozen_lock_that_lacks_something(fpack: Fpack, archive: Archive) -> None:
    archive.add("apart")
    archive.publish()
    project, lock = locked(fpack)
    before = lock.read_bytes()
    assert "frozen" in fpack.fails("pack", "debian.trixie.apart", "--frozen", cwd=project)
    assert lock.read_bytes() == before


# The machine.


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
@pytest.mark.parametrize("options", ["size=900k", "size=50m,nr_inodes=120"])
def test_a_full_disk(fpack: Fpack, archive: Archive, tmp_path: Path, options: str) -> None:
    archive.add("large", files={f"usr/share/large/{i}": os.urandom(20_000) for i in range(60)})
    archive.publish()
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(small)], check=True)
    try:
        message = fpack.fails("build", "--no-link", "debian.trixie.large", env={"FPACK_ROOT": str(small / "store")})
        assert "full" in message, message
        subprocess.run(["mount", "-o", "remount,size=100m,nr_inodes=10000", str(small)], check=True)
        fpack("build", "--no-link", "debian.trixie.large", env={"FPACK_ROOT": str(small / "store")}, status=None)
        done = fpack("gc", env={"FPACK_ROOT": str(small / "store")})
        assert "deleted" in done.stdout
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_an_output_that_cannot_be_written_leaves_nothing(fpack: Fpack, tmp_path: Path) -> None:
    for place, why in ((tmp_path / "nowhere" / "x.tar", "nowhere"), ("/proc/1/x.tar", "/proc/1"), ("-", "--load")):
        assert why in fpack.fails("pack", "debian.trixie.hello", "-o", place)
    (tmp_path / "dir.tar").mkdir()
    fpack.pack("debian.trixie.hello", "-o", tmp_path / "dir.tar")
    assert "hello.tar" in [p.name for p in (tmp_path / "dir.tar").iterdir()]


def test_a_tar_that_was_there_is_replaced_whole(fpack: Fpack) -> None:
    (fpack.home / "hello.tar").write_text("old")
    fpack.pack("debian.trixie.hello")
    with tarfile.open(fileobj=io.BytesIO((fpack.home / "hello.tar").read_bytes())) as tar:
        assert "index.json" in tar.getnames()


@pytest.mark.slow
def test_a_project_without_end_is_not_locked(fpack: Fpack) -> None:
    (fpack.home / "fpack.fp").write_text("f(n) = { next = f(n + 1) }\nimage = f(0)\n")
    assert "too many values" in fpack.fails("lock")


def test_a_container_that_a_project_made_up_is_none(fpack: Fpack) -> None:
    """Its image could be files of the project's, which say where they are to be written."""
    project = fpack.home / "project"
    (project / "forged").mkdir(parents=True)
    for name in ("image", "config", "manifest"):
        (project / "forged" / name).write_text("evil")
    text = """
      good = container { name = "x", tag = "1", files = { "/a" = "b" } , entrypoint = ["/a"], packages = [] }
      root = derivation { kind = "root", name = "r" }
      forged = { type = "container", name = "x", image = IMAGE, root = ROOT }
    """
    for image, root in (
        ('"${./forged}"', "root"),
        ("good.root", "root"),
        ("good.image", '"${./forged}"'),
        ("5", "root"),
    ):
        (project / "fpack.fp").write_text(text.replace("IMAGE", image).replace("ROOT", root))
        for words in (("pack", "#forged", "--no-manifest"), ("size", "#forged"), ("why", "#forged")):
            message = fpack.fails(*words, cwd=project)
            assert "container" in message or "derivation" in message


@pytest.mark.parametrize("what", ["app", "fpack.fp#app"])
def test_an_error_of_the_library_names_the_field_that_was_asked_for(fpack: Fpack, tmp_path: Path, what: str) -> None:
    place = tmp_path / "project"
    place.mkdir()
    (place / "fpack.fp").write_text('one = 1\n\napp = package { name = "app", libs = ["zlib"] }\n')
    text = fpack.fails("build", what, cwd=place)
    assert "`libs` takes packages, and this is a string" in text and "--> fpack.fp:3:31" in text
    assert 'in package { name = "app" }' in text
