"""Searching packages: what is found, in which order, and that nothing is locked or fetched by it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.debian.contents.needs import PROGRAM, BuildNeed
from fpack.builders.debian.indexes.search_table import SearchRow, SearchTable, make_catalog, order, rank
from fpack.cli.options import SharedOptions
from fpack.cli.workspace.workspace import Workspace
from support.archives.archive import Archive
from support.fixtures import new_user as new_user
from support.processes.program import Fpack, world
from support.processes.terminal import on_terminal

NOWHERE = {"FPACK_MIRROR": "debian=file:///nowhere only"}


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    archive = world(tmp_path / "archive")
    described = {
        "redis": "key-value database (metapackage)",
        "redis-server": "key-value database",
        "lua-redis": "client library",
        "ledis": "speaks the REDIS protocol, and more words that fill a line up to its end and then some more",
        "evil": "a \x1b]0;title\x07 description\tof redisless things",
    }
    for name, text in described.items():
        archive.add(name, "1.0", fields={"Description": text})
    archive.add("redis", "1.0+deb13u1", suite="trixie-security", fields={"Description": "key-value database, mended"})
    archive.publish()
    return archive


def search(fpack: Fpack, *args: str, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(fpack("search", "--json", *args, **options).stdout)
    return found


def test_the_curated_come_first_then_exact_prefix_part_and_description(fpack: Fpack) -> None:
    found = search(fpack, "redis")
    names = [(each["name"], each["curated"]) for each in found["packages"]]
    assert names == [
        ("redis", True), ("redis", False), ("redis-server", False), ("lua-redis", False), ("ledis", False),
        ("evil", False),
    ]  # fmt: skip
    assert found["found"] == 6 and found["release"] == "trixie"
    targets = [each["target"] for each in found["packages"]]
    assert targets[:2] == ["redis", "debian.trixie.redis"]


def test_the_newest_version_of_all_suites_counts(fpack: Fpack) -> None:
    debian = next(each for each in search(fpack, "redis")["packages"] if not each["curated"])
    assert (debian["version"], debian["description"]) == ("1.0+deb13u1", "key-value database, mended")


def test_every_word_must_be_there(fpack: Fpack) -> None:
    found = search(fpack, "database", "server")
    assert [each["name"] for each in found["packages"]] == ["redis-server"]
    assert search(fpack, "DATABASE server")["packages"] == found["packages"]


@pytest.mark.parametrize("word", ["debian.lua-redis", "debian.trixie.lua-redis", "debian.bookworm.lua-redis"])
def test_the_name_by_which_other_commands_take_a_package_is_found(fpack: Fpack, word: str) -> None:
    assert [each["name"] for each in search(fpack, word)["packages"]] == ["lua-redis"]


def test_it_needs_no_network_the_second_time_and_locks_nothing(fpack: Fpack) -> None:
    (fpack.home / "fpack.fp").write_text("")
    first = search(fpack, "redis")
    assert search(fpack, "redis", env=NOWHERE) == first
    assert not (fpack.home / "fpack.lock").exists() and not list(fpack.home.glob(".local/state/**/*.lock"))
    assert not (fpack.home / "store").exists()


def test_the_first_time_without_network_says_so(fpack: Fpack) -> None:
    assert "nowhere" in fpack.fails("search", "redis", env=NOWHERE)


def test_nothing_found_names_what_is_near_and_ends_with_1(fpack: Fpack) -> None:
    done = fpack("search", "redis-servr", status=1)
    assert "redis-server" in done.stderr and "did you mean" in done.stderr and done.stdout == ""
    done = fpack("search", "redis-servr", "--json", status=1)
    assert json.loads(done.stdout)["near"][0] == "redis-server"


def test_a_limit_says_how_much_is_left(fpack: Fpack) -> None:
    done = fpack("search", "redis", "--limit", "2")
    assert len(done.stdout.splitlines()) == 2 and "4 more" in done.stderr
    assert len(fpack("search", "redis", "--limit", "0").stdout.splitlines()) == 6


def test_no_words_and_unknown_releases_are_explained(fpack: Fpack) -> None:
    assert "WORDS" in fpack("search", status=2).stderr
    assert "fpack search redis" in fpack.fails("search", " ")
    assert fpack("search", "redis\udcff", status=1).stdout == ""
    assert "trixie" in fpack.fails("search", "-r", "jessie", "redis")


def test_a_terminal_gets_lines_that_fit_and_no_control_characters_from_the_archive(fpack: Fpack) -> None:
    text = on_terminal(fpack, "search", "redis", columns=60)
    assert all(len(line) <= 60 for line in text.splitlines()), text
    assert "…" in text and "★" in text and "debian.trixie.redis shows details" in text
    assert "\x1b]" not in on_terminal(fpack, "search", "redis", color=True)
    assert "\x1b[1mredis-server\x1b[0m" in on_terminal(fpack, "search", "redis", color=True)
    assert "\x1b" not in fpack("search", "redis").stdout


def test_the_locks_own_list_is_searched(fpack: Fpack, archive: Archive) -> None:
    (fpack.home / "fpack.fp").write_text('image = container { packages = [import("fpack/debian").trixie.hello] }')
    fpack("lock")
    archive.add("redis-new", "2.0")
    archive.publish()
    assert [e["name"] for e in search(fpack, "redis-")["packages"]] == ["redis-server"]
    fpack("update")
    assert [e["name"] for e in search(fpack, "redis-")["packages"]] == ["redis-new", "redis-server"]


def stanza(name: str, description: str = "words", version: str = "1") -> bytes:
    return f"Package: {name}\nVersion: {version}\nSection: misc\nDescription: {description}\n".encode()


def test_a_catalog_finds_in_names_and_descriptions_alone() -> None:
    text = b"\n".join([stanza("a-b", "The Quick fox"), stanza("c", version="2"), stanza("zeta")])
    catalog = SearchTable(make_catalog(text))
    assert list(catalog.find(["quick"])) == [SearchRow("a-b", "1", "misc", "The Quick fox")]
    assert [row.name for row in catalog.find(["misc"])] == []  # a section
    assert [row.version for row in catalog.find(["c"])] == ["1", "2"]  # Quick, and c
    assert list(catalog.find(["fox", "none"])) == list(catalog.find(["a\tb"])) == list(catalog.find([])) == []


def test_an_empty_index_has_an_empty_catalog() -> None:
    assert list(SearchTable(make_catalog(b"")).find(["a"])) == []


def test_ranks() -> None:
    rows = [SearchRow(name, "1", "", text) for name, text in [
        ("libpng-tools", ""), ("other", "png things"), ("png", ""), ("apng", ""), ("png-view", ""), ("x", "apngs"),
    ]]  # fmt: skip
    ranked = order((rank(row, ["png"]) for row in rows), ["png"])
    assert [(hit.rank, hit.row.name) for hit in ranked] == [
        (0, "png"), (1, "png-view"), (2, "apng"), (2, "libpng-tools"), (3, "other"), (3, "x"),
    ]  # fmt: skip


@pytest.fixture
def with_files(archive: Archive, fpack: Fpack) -> Fpack:
    archive.add("libgl-dev", files={"usr/include/GL/gl.h": "", "usr/include/GL/sub/deep.h": ""})
    archive.add("other-dev", files={"usr/include/other/gl.h": "", "usr/lib/x86_64-linux-gnu/libgl.so.1.2": ""})
    archive.add("tool", files={"usr/bin/gltool": ""}, arch="all")
    archive.add("evil", "2.0", files={"usr/include/\x1b]0;title\x07gl.h": ""})
    archive.publish(contents=True)
    return fpack


def files(fpack: Fpack, name: str, *args: str, **options: Any) -> list[tuple[str, str]]:
    found = json.loads(fpack("search", "--file", name, "--json", *args, **options).stdout)
    return [(each["path"], *each["packages"]) for each in found["files"]]


def test_packages_are_found_by_a_file(with_files: Fpack) -> None:
    gl, other = ("/usr/include/GL/gl.h", "libgl-dev"), ("/usr/include/other/gl.h", "other-dev")
    library = ("/usr/lib/x86_64-linux-gnu/libgl.so.1.2", "other-dev")
    deep = ("/usr/include/GL/sub/deep.h", "libgl-dev")
    assert files(with_files, "gl.h") == [gl, other]
    assert files(with_files, "GL/gl.h") == files(with_files, gl[0]) == [gl]
    assert files(with_files, "/bin/gltool") == [("/bin/gltool", "tool")]
    assert files(with_files, "libgl.so*") == [library]
    assert files(with_files, "/usr/include/GL") == files(with_files, "/usr/include/GL/**") == [gl, deep]
    assert files(with_files, "/usr/include/*/gl.?") == [gl, other]
    with_files("search", "--file", "/usr/include/G*", status=1)


def test_a_file_search_needs_no_network_the_second_time_and_locks_nothing(with_files: Fpack) -> None:
    (with_files.home / "fpack.fp").write_text("")
    assert files(with_files, "gl.h") == files(with_files, "gl.h", env=NOWHERE)
    assert not (with_files.home / "fpack.lock").exists() and not (with_files.home / "store").exists()


def test_the_locks_own_index_of_files_is_searched(with_files: Fpack, archive: Archive) -> None:
    (with_files.home / "fpack.fp").write_text('image = container { packages = [import("fpack/debian").trixie.hello] }')
    with_files("lock")
    assert len(files(with_files, "gl.h")) == 2
    archive.add("third-dev", files={"usr/include/third/gl.h": ""})
    archive.publish(contents=True)
    assert len(files(with_files, "gl.h")) == 2
    with_files("update")
    assert len(files(with_files, "gl.h")) == 3


def test_a_locked_index_of_files_that_is_gone_is_told(with_files: Fpack, archive: Archive) -> None:
    (with_files.home / "fpack.fp").write_text('image = container { packages = [import("fpack/debian").trixie.hello] }')
    with_files("lock")
    archive.add("third-dev", files={"usr/include/third/gl.h": ""})
    archive.publish(contents=True)
    done = with_files("search", "--file", "gl.h")
    assert "no longer available" in done.stderr and len(done.stdout.splitlines()) == 3


def test_the_current_index_of_files_is_not_promised_before_it_is_open(with_files: Fpack, archive: Archive) -> None:
    (with_files.home / "fpack.fp").write_text('image = container { packages = [import("fpack/debian").trixie.hello] }')
    with_files("lock")
    for path in archive.folder.glob("**/Contents-*"):
        path.unlink()
    said = with_files.fails("search", "--file", "gl.h")
    assert "is used" not in said and "no longer available" in said and "mirror" in said


def test_an_older_index_of_files_is_better_than_none(with_files: Fpack, archive: Archive) -> None:
    assert len(files(with_files, "gl.h")) == 2
    archive.add("third-dev", files={"usr/include/third/gl.h": ""})
    archive.publish(date=time.time() + 60, contents=True)
    other = with_files.home / "other"
    other.mkdir()
    (other / "fpack.fp").write_text('image = container { packages = [import("fpack/debian").trixie.hello] }')
    with_files("lock", cwd=other)
    done = with_files("search", "--file", "gl.h", env=NOWHERE)
    assert "older" in done.stderr and len(done.stdout.splitlines()) == 2


def test_no_file_is_explained(with_files: Fpack) -> None:
    said = with_files.fails("search", "--file", "gl")
    assert "'gl'" in said and "*gl*" in said and "headers" in said
    assert with_files("search", "--file", "gl", "--json", status=1).stdout.startswith("{")
    for wrong in ("/usr/../x*", "../x*"):
        assert with_files("search", "--file", wrong, status=None).returncode in (1, 2)
    for wrong in ("", " ", "*", "**", "/", "/**/*", "?"):
        assert "libpq.so*" in with_files("search", "--file", wrong, status=2, env=NOWHERE).stderr
    said = with_files("search", "--file", "gl.h", "--arch", "foo", status=2, env=NOWHERE).stderr
    assert "'foo'" in said and "arm64" in said
    assert "together" in with_files("search", "gl", "--file", "gl.h", status=2).stderr


def test_an_archive_without_an_index_of_files(fpack: Fpack) -> None:
    assert "no index of files" in fpack.fails("search", "--file", "gl.h")


def test_files_on_a_terminal(with_files: Fpack) -> None:
    text = on_terminal(with_files, "search", "--file", "gl.h", columns=60)
    assert all(len(line) <= 60 for line in text.splitlines()), text
    assert "2 of 2 found" in text and "fpack show debian.trixie.libgl-dev" in text
    assert "\x1b]" not in on_terminal(with_files, "search", "--file", "*gl.h", color=True)
    done = with_files("search", "--file", "gl.h", "--limit", "1")
    assert len(done.stdout.splitlines()) == 1 and "1 more" in done.stderr


def test_files_are_completed_from_the_cache(with_files: Fpack) -> None:
    ask = ("__complete", "zsh", "search", "--file")
    assert with_files(*ask, "gl").stdout.splitlines() == ["plain"]
    files(with_files, "gl.h")
    assert with_files(*ask, "gl", env=NOWHERE).stdout.splitlines() == ["plain", "gltool\ttool", "gl.h\tlibgl-dev"]
    assert with_files(*ask, "/usr/bin/gl").stdout.splitlines() == ["plain", "/usr/bin/gltool\ttool"]
    assert with_files(*ask, "").stdout.splitlines() == with_files(*ask, "g*").stdout.splitlines() == ["plain"]


def test_hints_of_failed_builds_fetch_the_index_if_they_need_it(
    with_files: Fpack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(with_files.home)
    for name, value in with_files.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FPACK_MIRROR", NOWHERE["FPACK_MIRROR"])
    with Workspace(SharedOptions()) as workspace:
        assert workspace.files() is None
    for mirror in (with_files.env["FPACK_MIRROR"], NOWHERE["FPACK_MIRROR"]):  # fetched, then from the cache
        monkeypatch.setenv("FPACK_MIRROR", mirror)
        with Workspace(SharedOptions()) as workspace:
            finder = workspace.files()
            assert finder is not None and finder.find(BuildNeed(PROGRAM, "gltool")).best == "tool"


@pytest.fixture
def with_needs(with_files: Fpack, archive: Archive) -> Fpack:
    at = "usr/lib/x86_64-linux-gnu"
    archive.add("libwave-dev", "2.4-1", files={f"{at}/pkgconfig/wave.pc": "", f"{at}/libwave.so": ""})
    archive.add("zlib1g-dev", files={"usr/include/zlib.h": "", f"{at}/pkgconfig/zlib.pc": ""})
    archive.publish(contents=True)
    return with_files


@pytest.mark.parametrize(
    ("option", "name", "package", "field"),
    [
        ("--pc", "wave", "libwave-dev", "libs"),
        ("--pc", "wave >= 2.1", "libwave-dev", "libs"),
        ("--lib", "wave", "libwave-dev", "libs"),
        ("--lib", "-lwave", "libwave-dev", "libs"),
        ("--lib", "libwave.so", "libwave-dev", "libs"),
        ("--header", "zlib.h", "zlib1g-dev", "libs"),
        ("--header", "/usr/include/zlib.h", "zlib1g-dev", "libs"),
        ("--program", "gltool", "tool", "tools"),
        ("--cmake", "ZLIB", "zlib1g-dev", "libs"),
    ],
)
def test_the_package_of_what_a_build_needs(option: str, name: str, package: str, field: str, with_needs: Fpack) -> None:
    found = json.loads(with_needs("search", option, name, "--json").stdout)["needs"]
    assert [(need["packages"], need["field"]) for need in found] == [([package], field)]
    assert with_needs("search", option, name, env=NOWHERE).stdout.startswith(package)


def test_a_need_without_a_package_or_with_an_old_one_is_told(with_needs: Fpack) -> None:
    assert "has the library never" in with_needs.fails("search", "--lib", "never")
    assert with_needs("search", "--lib", "never", "--json", status=1).stdout.startswith("{")
    assert "libwave-dev of trixie is 2.4, which is less than 3" in with_needs("search", "--pc", "wave >= 3").stderr
    for wrong in (("--pc", ""), ("--lib", "a b"), ("--program", "*"), ("--header", "/")):
        assert "is not a name" in with_needs("search", *wrong, status=2).stderr
    for wrong in (("--pc", "a", "--lib", "b"), ("--pc", "a", "word"), ("--pc", "a", "--file", "b")):
        assert "together" in with_needs("search", *wrong, status=2).stderr


def test_needs_on_a_terminal(with_needs: Fpack) -> None:
    text = on_terminal(with_needs, "search", "--pc", "wave", columns=100)
    assert "a build lists debian.libwave-dev in `libs`" in text


def test_the_index_of_a_neighbouring_release_stands_in(with_needs: Fpack, archive: Archive) -> None:
    for path in archive.folder.glob("**/Contents-*"):
        path.unlink()
    older = Archive(archive.folder, release="bookworm")
    older.add("libwave-dev", "2.0-1", files={"usr/lib/x86_64-linux-gnu/pkgconfig/wave.pc": ""})
    older.add("gone-dev", "2.0-1", files={"usr/lib/x86_64-linux-gnu/pkgconfig/gone.pc": ""})
    older.publish(contents=True)
    done = with_needs("search", "--pc", "wave")
    assert done.stdout.startswith("libwave-dev") and "by that of bookworm" in done.stderr
    assert "No package of trixie" in with_needs.fails("search", "--pc", "gone")
    done = with_needs("search", "--file", "*.pc")
    assert done.stdout.startswith("libwave-dev") and "gone" not in done.stdout and "by that of bookworm" in done.stderr
