"""The facts of a store path: digests, flags and loads of each content, and what a package says of itself."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.kinds import facts
from fpack.builders.kinds.deb import DebBuilder
from fpack.builders.kinds.facts import FILE, FactsBuilder
from fpack.builders.kinds.slice import SliceBuilder
from fpack.builders.sbom import facts as form
from fpack.builders.sbom import fragments
from fpack.builders.sbom.model import Hashes
from fpack.store.errors import DamagedPath, StoreError
from fpack.store.files.writer import TreeWriter
from fpack.store.path import StorePath
from support.archives.archive import file, link, make_deb
from support.archives.language_packages import tar
from support.stores.elves import elf
from support.stores.task import FakeStore


def facts_of(store: FakeStore, path: StorePath, **args: Any) -> form.Facts:
    built = store.build(FactsBuilder(), "facts", {"path": str(path), **args})
    return form.decode(store.tree(built).read(FILE))


def of_package(store: FakeStore, **deb: Any) -> tuple[form.Facts, bytes]:
    data = make_deb("app", "1:2.0-1+b1", **deb)
    fetched = store.add_file("app.deb", data)
    args = {"deb": str(fetched), "package": "app", "version": "1:2.0-1+b1", "arch": "amd64"}
    payload = store.build(DebBuilder(), "app", args)
    slice_ = store.build(SliceBuilder(), "app-slice", {"payload": str(payload)})
    return facts_of(store, slice_, table=True, package="app", deb=str(fetched)), data


def test_each_content_has_its_digests_flags_and_loads(store: FakeStore) -> None:
    contents = {
        "usr/bin/app": elf("libx.so.1", interp="/lib64/ld.so"),
        "usr/lib/libapp.so.1": elf(soname="libapp.so.1"),
        "usr/bin/app.sh": b"#!/bin/sh\necho\n",
        "usr/share/a.zip": b"PK\x03\x04 ...",
        "usr/share/a.gz": b"\x1f\x8b...",
        "usr/share/a.tar": b"name".ljust(257, b"\0") + b"ustar\0",
        "usr/share/empty": b"",
    }
    found, _ = of_package(store, files={path: file(data) for path, data in contents.items()})
    rows = {path: found.files[hashlib.sha256(data).digest()] for path, data in contents.items()}
    for path, data in contents.items():
        assert rows[path].hashes.sha512 == hashlib.sha512(data).hexdigest()
        assert rows[path].hashes.sha1 == hashlib.sha1(data).hexdigest()
        assert rows[path].hashes.sha256 == hashlib.sha256(data).hexdigest()
    assert {path: row.flags for path, row in rows.items()} == {
        "usr/bin/app": form.EXECUTABLE,
        "usr/lib/libapp.so.1": form.EXECUTABLE,
        "usr/bin/app.sh": form.EXECUTABLE,
        "usr/share/a.zip": form.ARCHIVE | form.STRUCTURED,
        "usr/share/a.gz": form.ARCHIVE,
        "usr/share/a.tar": form.ARCHIVE | form.STRUCTURED,
        "usr/share/empty": 0,
    }
    assert rows["usr/bin/app"].needed == ("libx.so.1",) and rows["usr/bin/app"].interp == "/lib64/ld.so"
    assert rows["usr/lib/libapp.so.1"].soname == "libapp.so.1" and rows["usr/bin/app.sh"].interp == "/bin/sh"


def test_a_package_tells_its_source_its_people_and_its_file(store: FakeStore) -> None:
    found, data = of_package(
        store,
        fields={
            "Source": "shared (1:2.0-1)",
            "Maintainer": "A Team <team@example.org>",
            "Built-Using": "a (= 1),\n b (= 2)",
            "Static-Built-Using": "rust-x (= 0.1)",
            "Description": "one line\n and more",
            "Homepage": "https://example.org/",
            "Section": "libs",
        },
    )
    package = found.package
    assert package is not None
    assert package == form.PackageFacts(
        name="app",
        version="1:2.0-1+b1",
        arch="amd64",
        source="shared",
        source_version="1:2.0-1",
        maintainer="A Team <team@example.org>",
        homepage="https://example.org/",
        description="one line",
        section="libs",
        built_using="a (= 1), b (= 2)",
        static_built_using="rust-x (= 0.1)",
        file=package.file,
        size=len(data),
    )
    assert package.file.sha256 == hashlib.sha256(data).hexdigest()
    assert package.file.sha512 == hashlib.sha512(data).hexdigest()


def test_the_copyright_file_is_read(store: FakeStore) -> None:
    text = (
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n"
        "Files: *\nCopyright: 2020 Ann\nLicense: GPL-2+\n\n"
        "Files: x/*\nCopyright: 2021 Bob\nLicense: own\n Do as you like.\n"
    )
    found, _ = of_package(store, copyright=text)
    assert found.copyright is not None and found.copyright.machine_readable
    assert found.copyright_file == text.encode()
    assert found.copyright.declared.expression == "GPL-2.0-or-later AND LicenseRef-debian-app-1"
    assert [stanza.globs for stanza in found.copyright.stanzas] == [("*",), ("x/*",)]
    (own,) = found.copyright.texts
    assert own.id == "LicenseRef-debian-app-1" and "Do as you like." in own.text
    assert form.decode(form.encode(found)) == found


def test_a_copyright_file_is_kept_as_it_is_up_to_a_limit(store: FakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    latin = file("2020 Jürgen\r\n".encode("latin-1"))
    found, _ = of_package(store, copyright=None, files={"usr/share/doc/app/copyright": latin})
    assert found.copyright_file == b"2020 J\xfcrgen\r\n"
    monkeypatch.setattr(facts, "_MAX_COPYRIGHT", 6)
    found, _ = of_package(store, copyright="2020 Ann\n")
    assert found.copyright_file == b"2020 A\n[The first 6 bytes of the file]\n"
    assert form.decode(form.encode(found)) == found
    found, _ = of_package(store, copyright=None)
    assert found.copyright_file == b""


def test_no_file_outside_of_the_package_is_read(store: FakeStore, tmp_path: Path) -> None:
    for name in ("app/copyright", "os-release"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("ID=secret\n")
    files = {"usr/share/doc": link(str(tmp_path)), "usr/lib": link(str(tmp_path))}
    found, _ = of_package(store, copyright=None, files=files)
    assert found.copyright_file == b"" and found.copyright is None and found.os_release is None


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ({"usr/share/doc/app": link("app-base")}, "app-base"),
        ({"usr/share/doc/app/copyright": link("../app-common/copyright")}, "app-common"),
        ({}, ""),
    ],
)
def test_a_link_to_the_documentation_of_another_package_names_that(
    store: FakeStore, files: dict[str, Any], wanted: str
) -> None:
    found, _ = of_package(store, files=files, copyright=None if files else "text\n")
    assert found.package is not None and found.package.documentation == wanted


def test_without_a_source_field_the_package_is_its_own_source(store: FakeStore) -> None:
    found, _ = of_package(store)
    assert found.package is not None
    assert (found.package.source, found.package.source_version) == ("app", "1:2.0-1+b1")


def test_the_system_is_that_of_os_release(store: FakeStore) -> None:
    text = 'ID=debian\nVERSION_ID="13"\nVERSION_CODENAME=trixie\nHOME_URL="https://www.debian.org/"\n'
    found, _ = of_package(store, files={"usr/lib/os-release": text, "etc/os-release": link("../usr/lib/os-release")})
    hashes = Hashes(*(hashlib.new(name, text.encode()).hexdigest() for name in ("sha256", "sha512", "sha1")))
    home = "https://www.debian.org/"
    assert found.os_release == form.OsRelease("debian", "13", "trixie", home, "usr/lib/os-release", hashes)
    assert form.decode(form.encode(found)) == found
    found, _ = of_package(store, files={"usr/lib/os-release": "ID=debian\nVERSION_CODENAME=sid\n"})
    assert found.os_release is not None and found.os_release[:4] == ("debian", "sid", "sid", "")


def test_a_built_path_has_the_facts_of_its_files(store: FakeStore) -> None:
    path = store.add_file("note", b"#!/bin/sh\n")
    found = facts_of(store, path)
    (row,) = found.files.values()
    assert row.interp == "/bin/sh" and found.package is None and found.copyright is None


def test_the_lock_files_of_a_source_name_packages(store: FakeStore) -> None:
    crates = '[[package]]\nname = "own"\nversion = "1"\n[[package]]\nname = "serde"\nversion = "1.0.2"\nsource = "x"\n'
    writer = TreeWriter(store.pool, store.fresh())
    writer.file("Cargo.lock", [crates.encode()])
    writer.file("Gemfile.lock", [b"GEM\n  specs:\n    rack (3.0)\n"])
    found = facts_of(store, store.add("src", writer), locks=True)
    assert [part[:3] for part in found.locked] == [("cargo", "serde", "1.0.2"), ("gem", "rack", "3.0")]
    assert found.files == {}


@pytest.mark.parametrize("text", [b"no toml =", b"a = " + b"[" * 100_000, b"package = 1", b"[[package]]\nsource = 1\n"])
def test_a_lock_file_that_cannot_be_read_names_nothing(store: FakeStore, text: bytes) -> None:
    writer = TreeWriter(store.pool, store.fresh())
    writer.file("Cargo.lock", [text])
    assert facts_of(store, store.add("src", writer), locks=True).locked == ()


def test_a_path_that_was_changed_is_refused(store: FakeStore) -> None:
    path = store.add_file("note", b"good")
    disk = store.disk(path)
    disk.chmod(0o644)
    disk.write_bytes(b"evil")
    with pytest.raises(DamagedPath):
        facts_of(store, path)


FORMAT = b"format%c" % form.FORMAT


def test_invalid_facts_are_refused() -> None:
    good = form.encode(form.Facts({}))
    assert form.decode(good) == form.Facts({}) and FORMAT in good
    for data in (b"", good[:-1], good + b"\0", good.replace(FORMAT, b"format\x7f")):
        with pytest.raises(StoreError):
            form.decode(data)


def bill_of(name: str) -> bytes:
    return json.dumps(
        {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"name": name, "purl": f"pkg:npm/{name}@1"}]}
    ).encode()


def test_bills_of_materials_in_a_package_are_read(store: FakeStore, tmp_path: Path) -> None:
    (tmp_path / "outside.cdx.json").write_bytes(bill_of("outside"))
    files = {
        "usr/share/sbom/a.cdx.json": file(bill_of("left")),
        "usr/lib/python3/dist-packages/x-1.dist-info/sboms/b.json": file(bill_of("right")),
        "usr/share/sbom/link.cdx.json": link(str(tmp_path / "outside.cdx.json")),
        "usr/share/sbom/bad\x1b\udcff.cdx.json": file(b"{"),
        "usr/share/other/c.cdx.json": file(bill_of("elsewhere")),
    }
    found, _ = of_package(store, files=files)
    assert [part.name for part in found.fragments] == ["left", "right"]
    assert found.unread == ("usr/share/sbom/bad\\x1b\\udcff.cdx.json",)
    (line,) = store.tasks[-1].lines
    assert line.startswith(f"The bill of materials {found.unread[0]} cannot be read: Expecting")
    assert form.decode(form.encode(found)) == found


def test_bills_of_materials_of_a_build_are_read_up_to_a_number(
    store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = TreeWriter(store.pool, store.fresh())
    for number in range(5):
        writer.file(f"share/sbom/{number}.cdx.json", [bill_of(f"part{number}")])
    path = store.add("built", writer)
    monkeypatch.setattr(fragments, "MAX_DOCUMENTS", 3)
    found = facts_of(store, path)
    assert [part.name for part in found.fragments] == ["part0", "part1", "part2"]
    assert found.unread == ("2 other files",)


def package_json(text: str) -> bytes:
    return tar({"package/package.json": text.encode()})


def test_an_archive_of_a_package_states_its_licence(store: FakeStore) -> None:
    data = package_json('{"name": "left", "license": "MIT", "author": "Ann <ann@example.org>"}')
    found = facts_of(store, store.add_file("left-1.0.tgz", data), part="npm", name="left")
    (part,) = found.stated
    assert (part.licence.expression, part.supplier) == ("MIT", "Ann <ann@example.org>")
    assert part.hashes.sha512 == hashlib.sha512(data).hexdigest() and part.size == len(data)
    assert form.decode(form.encode(found)) == found


def test_a_file_of_an_unreadable_archive_has_its_digests_alone(store: FakeStore) -> None:
    (part,) = facts_of(store, store.add_file("left-1.0.tgz", b"no archive"), part="npm", name="left").stated
    assert part.hashes.sha256 == hashlib.sha256(b"no archive").hexdigest() and not part.supplier


def test_the_archive_is_found_in_a_directory_and_may_be_absent(store: FakeStore) -> None:
    writer = TreeWriter(store.pool, store.fresh())
    writer.mkdir("")
    assert facts_of(store, store.add("none-1.0", writer), part="pypi", name="none").stated == ()
    writer = TreeWriter(store.pool, store.fresh())
    writer.mkdir("")
    writer.file("a-1.0.tar.gz", [package_json("{}")])
    (part,) = facts_of(store, store.add("a-1.0", writer), part="pypi", name="a").stated
    assert part.file == "a-1.0.tar.gz"


def test_a_damaged_archive_is_never_read(store: FakeStore) -> None:
    path = store.add_file("left-1.0.tgz", package_json("{}"))
    disk = store.disk(path)
    disk.chmod(0o644)
    disk.write_bytes(package_json('{"name": "evil"}'))
    with pytest.raises(DamagedPath):
        facts_of(store, path, part="npm", name="left")


def test_modules_in_vendor_are_read_below_the_top_of_a_source(store: FakeStore) -> None:
    writer = TreeWriter(store.pool, store.fresh())
    for name in ("", "vendor", "vendor/example.org", "vendor/example.org/x"):
        writer.mkdir(name)
    writer.file("vendor/modules.txt", [b"# example.org/x v1.0.0\n"])
    writer.file("vendor/example.org/x/x.go", [b"// Copyright 2020 Ann\n"])
    found = facts_of(store, store.add("src", writer), locks=True)
    assert [part.name for part in found.locked] == ["example.org/x"]
    assert [(part.kind, part.copyright) for part in found.stated] == [
        ("golang", "Copyright 2020 Ann"),
        ("source", "NONE"),
    ]
