"""Test the payloads that `deb` makes of packages made by Debian's tools."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from blake3 import blake3
from fpack.builders.kinds.deb import DebBuilder
from fpack.builders.payload import meta
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.protocol import BuildError
from support.archives import debs
from support.archives.debs import file, folder, hard_link, symlink
from support.stores.task import FakeStore

ARGS = {"package": "hello", "version": "1.0-1", "arch": "amd64"}


def unpack(store: FakeStore, content: bytes, **args: str) -> tuple[Path, dict[str, TreeEntry], dict]:
    path = store.add_file("hello.deb", content)
    place = store.disk(store.build(DebBuilder(), "hello", {"deb": str(path), **ARGS, **args}))
    entries, extra = meta.read(place)
    return place / "data", {entry.path: entry for entry in entries}, extra


@pytest.mark.parametrize("codec", list(debs.CODECS))
def test_every_compression_gives_the_same_tree(store: FakeStore, codec: str) -> None:
    data, entries, _ = unpack(store, debs.deb([folder("./"), file("./usr/bin/hello", "hi\n", 0o755)], codec=codec))
    assert (data / "usr/bin/hello").read_bytes() == b"hi\n"
    assert entries["usr/bin/hello"].sha256 == hashlib.sha256(b"hi\n").digest()
    assert entries["usr/bin/hello"].blake3 == blake3(b"hi\n").digest()
    assert entries["usr/bin/hello"].size == 3


def test_modes_and_owners_are_recorded(store: FakeStore) -> None:
    items = [
        file("./usr/bin/su", "x", 0o4755, uid=0, gid=42, user="root", group="shadow"),
        folder("./var/mail", 0o2775, gid=8, group="mail"),
        folder("./usr/share/plain"),
        file("./usr/share/plain/f", "x"),
        file("./srv/big", "x", uid=2_000_000, gid=3_000_000, user="far", group="away"),
    ]
    _, entries, _ = unpack(store, debs.deb(items))
    su = entries["usr/bin/su"]
    assert (su.mode, su.uid, su.gid, su.user, su.group) == (0o4755, 0, 42, "root", "shadow")
    assert (entries["var/mail"].kind, entries["var/mail"].mode, entries["var/mail"].gid) == ("d", 0o2775, 8)
    assert (entries["srv/big"].uid, entries["srv/big"].gid) == (2_000_000, 3_000_000)
    assert "usr/share/plain" not in entries


def test_the_disk_has_no_set_id_bits(store: FakeStore) -> None:
    data, _, _ = unpack(store, debs.deb([file("./usr/bin/su", "x", 0o6755)]))
    assert os.stat(data / "usr/bin/su").st_mode & 0o7777 == 0o555


def test_an_empty_directory_is_listed(store: FakeStore) -> None:
    data, entries, _ = unpack(store, debs.deb([folder("./var/lib/hello"), folder("./var/lib")]))
    assert (data / "var/lib/hello").is_dir()
    assert entries["var/lib/hello"].kind == meta.DIRECTORY
    assert "var/lib" not in entries


def test_links(store: FakeStore) -> None:
    items = [
        file("./usr/bin/perl", "perl", 0o755),
        hard_link("./usr/bin/perl5.40", "./usr/bin/perl"),
        symlink("./usr/lib/x.so", "x.so.1"),
        symlink("./etc/mtab", "/proc/mounts"),
    ]
    data, entries, _ = unpack(store, debs.deb(items))
    assert entries["usr/bin/perl5.40"] == entries["usr/bin/perl"]._replace(path="usr/bin/perl5.40")
    assert os.stat(data / "usr/bin/perl").st_ino == os.stat(data / "usr/bin/perl5.40").st_ino
    assert os.readlink(data / "etc/mtab") == entries["etc/mtab"].target == "/proc/mounts"


def test_long_names_of_gnu_and_pax(store: FakeStore) -> None:
    long = "usr/share/" + "/".join(["d" * 60] * 5) + "/f"
    record = f"path=./{long}2\n"
    body = f"{len(record) + 4} {record}".encode()
    pax = debs.padded(debs.header(debs.Item("x", kind="x", size=len(body))), body)
    target = "t" * 300
    items = [file("./" + long, "gnu"), pax, file("./short", "pax"), symlink("./link", target)]
    data, entries, _ = unpack(store, debs.deb(items))
    assert (data / long).read_text() == "gnu"
    assert (data / (long + "2")).read_text() == "pax"
    assert entries["link"].target == target


def test_names_that_are_not_utf_8(store: FakeStore) -> None:
    item = debs.header(file("./usr/QQ")).replace(b"QQ", b"\xff\xfe")
    fixed = item[:148] + b" " * 8 + item[156:]
    fixed = fixed[:148] + b"%06o\0 " % sum(fixed) + fixed[156:]
    data, entries, _ = unpack(store, debs.deb([fixed]))
    assert os.listdir(os.fsencode(data / "usr")) == [b"\xff\xfe"]
    assert os.fsencode(next(iter(entries))) == b"usr/\xff\xfe"


def test_large_files_are_streamed(store: FakeStore) -> None:
    content = bytes(range(256)) * (40 << 10)
    items = [file("./usr/lib/big", content), file("./usr/lib/after", "after")]
    data, entries, _ = unpack(store, debs.deb(items, debs.control(Installed_Size="20000")))
    assert (data / "usr/lib/big").read_bytes() == content
    assert entries["usr/lib/big"].sha256 == hashlib.sha256(content).digest()
    assert (data / "usr/lib/after").read_text() == "after"


def test_scripts_have_facts(store: FakeStore) -> None:
    items = [file("./usr/bin/a", "#!/bin/sh -e\n", 0o755), file("./usr/bin/b", "#!/usr/bin/env python3\n", 0o755)]
    _, entries, _ = unpack(store, debs.deb(items))
    assert entries["usr/bin/a"].facts == meta.LoadFacts(interp="/bin/sh")
    assert entries["usr/bin/b"].facts == meta.LoadFacts(interp="/usr/bin/env", needed=("python3",))


def test_what_the_package_says_about_itself(store: FakeStore) -> None:
    scripts = {
        "conffiles": "/etc/hello.conf\n",
        "postinst": "#!/bin/sh\nupdate-alternatives --install /usr/bin/hi hi /usr/bin/hello 10\n"
        "adduser --system --group --home /var/lib/hello hello\n",
    }
    items = [
        file("./usr/lib/sysusers.d/hello.conf", 'u greeter 350 "Greets" /srv\n'),
        file("./usr/lib/systemd/system/hello.service", "[Service]\nExecStart=-/usr/sbin/hellod --on\n"),
        file("./usr/share/other.service", "ExecStart=/usr/bin/no\n"),
    ]
    stanza = debs.control(Source="greetings (2.0)")
    _, _, extra = unpack(store, debs.deb(items, stanza, scripts))
    assert (extra["package"], extra["version"], extra["arch"]) == ("hello", "1.0-1", "amd64")
    assert extra["source"] == "greetings (2.0)"
    assert extra["control"] == stanza
    assert extra["conffiles"] == ["/etc/hello.conf"]
    assert extra["alternatives"] == [["/usr/bin/hi", "hi", "/usr/bin/hello", 10, []]]
    assert [(user["name"], user["uid"], user["home"]) for user in extra["users"]] == [
        ("greeter", 350, "/srv"),
        ("hello", None, "/var/lib/hello"),
    ]
    assert [group["name"] for group in extra["groups"]] == ["greeter", "hello"]
    assert extra["units"] == ["/usr/sbin/hellod"]


def test_architecture_all_is_for_every_architecture(store: FakeStore) -> None:
    _, _, extra = unpack(store, debs.deb([file("./f")], debs.control(arch="all")), arch="arm64")
    assert extra["arch"] == "all"


@pytest.mark.parametrize(
    ("args", "word"), [({"package": "other"}, "package"), ({"version": "2"}, "version"), ({"arch": "arm64"}, "arch")]
)
def test_another_package_than_the_one_meant(store: FakeStore, args: dict[str, str], word: str) -> None:
    with pytest.raises(BuildError, match=word):
        unpack(store, debs.deb([file("./f")]), **args)


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb")
@pytest.mark.parametrize("codec", ["xz", "gzip", "zstd", "none"])
def test_a_package_of_dpkg_deb(store: FakeStore, tmp_path: Path, codec: str) -> None:
    source = tmp_path / "source"
    (source / "DEBIAN").mkdir(parents=True)
    (source / "DEBIAN/control").write_text(debs.control(Maintainer="a <a@example.org>"))
    (source / "usr/bin").mkdir(parents=True)
    (source / "usr/bin/hello").write_text("#!/bin/sh\n")
    (source / "usr/bin/hello").chmod(0o755)
    (source / "usr/bin/hi").hardlink_to(source / "usr/bin/hello")
    (source / ("usr/" + "n" * 150)).symlink_to("bin/hello")
    (source / "usr/empty").mkdir()
    made = tmp_path / "made.deb"
    command = ["dpkg-deb", "--root-owner-group", f"-Z{codec}", "--build", str(source), str(made)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode and "unknown compression" in done.stderr:
        pytest.skip(f"this dpkg-deb cannot do {codec}")
    assert done.returncode == 0, done.stderr
    data, entries, _ = unpack(store, made.read_bytes())
    found = sorted(
        str(path.relative_to(data)) for path in data.rglob("*") if not path.is_dir() or not any(path.iterdir())
    )
    assert found == sorted(entries) == sorted(["usr/bin/hello", "usr/bin/hi", "usr/empty", "usr/" + "n" * 150])
    assert entries["usr/bin/hi"].mode == 0o755
