"""Test the lock file: canonical text, strict parsing and concurrent writers."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fpack.builders.debian.lock.file import LockFile
from fpack.builders.debian.lock.records import (
    EarlierIndex,
    Lock,
    LockChanged,
    LockCorrupt,
    LockError,
    LockNewer,
    PackagePin,
    SuitePin,
)
from fpack.builders.debian.lock.text import format_lock, parse_lock
from fpack.builders.debian.suites import IndexPin, SuiteFile
from hypothesis import given
from hypothesis import strategies as st
from support.growth import check_linear

DATE = 1_750_000_000


def package(name: str, version: str = "1.0-1", **changes: object) -> PackagePin:
    pin = PackagePin(
        name, version, "amd64", name, version, "debian", DATE, 123, "ab" * 32, f"pool/main/{name}_{version}_amd64.deb"
    )
    return pin._replace(**changes)  # type: ignore[arg-type]


def sample() -> Lock:
    lock = Lock()
    lock.suites["trixie", "trixie"] = SuitePin("trixie", "trixie", "debian", DATE, None, "01" * 32)
    lock.suites["trixie", "trixie-security"] = SuitePin(
        "trixie", "trixie-security", "debian-security", DATE, DATE + 86400, "02" * 32
    )
    lock.indexes["trixie", "trixie", "amd64"] = IndexPin(
        "03" * 32, 1000, SuiteFile("main/binary-amd64/Packages.xz", 100, "04" * 32)
    )
    lock.packages["trixie", "amd64", "hello"] = package("hello", "1:2.10~x+b1", source_version="1:2.10~x", source="hi")
    lock.packages["trixie", "amd64", "libstdc++6"] = package("libstdc++6", arch="all", archive="debian-security")
    lock.packages["trixie", "arm64", "hello"] = package("hello")
    lock.closures["trixie", "amd64", ("hello",)] = {"hello": ("libstdc++6",), "libstdc++6": ()}
    return lock


TEXT = format_lock(sample())


def test_round_trip() -> None:
    assert parse_lock(TEXT) == sample()
    assert format_lock(parse_lock(TEXT)) == TEXT
    assert parse_lock(format_lock(Lock())) == Lock()


def with_earlier() -> Lock:
    lock = sample()
    suite = SuitePin("trixie", "trixie", "debian", DATE - 5, None, "05" * 32)
    pin = IndexPin("06" * 32, 900, SuiteFile("main/binary-amd64/Packages.xz", 90, "07" * 32))
    lock.earlier["trixie", "trixie", "amd64", pin.sha256] = EarlierIndex(suite, pin)
    return lock


def test_earlier_indexes_need_format_2_and_nothing_else_does() -> None:
    text = format_lock(with_earlier())
    assert parse_lock(text) == with_earlier() != sample()
    assert format_lock(parse_lock(text)) == text
    assert (TEXT.splitlines()[0], text.splitlines()[0]) == ("fpack-lock 1", "fpack-lock 2")
    line = next(line for line in text.splitlines() if line.startswith("earlier "))
    for bad in (line.replace("release=05", "release=0g"), f"{line}\n{line}", line.replace("file=main", "file=../main")):
        with pytest.raises(LockCorrupt):
            parse_lock(text.replace(line, bad))


def test_the_order_of_making_leaves_no_trace() -> None:
    lock = sample()
    other = Lock()
    for mine, theirs in zip(lock.parts(), other.parts(), strict=True):
        theirs.update(reversed(list(mine.items())))
    assert format_lock(other) == TEXT


def test_lines_may_be_in_any_order_and_have_comments() -> None:
    head, rest = TEXT.split("\n", 1)
    blocks = rest.split("\n\n")
    assert parse_lock("\n\n".join([f"{head}\n# my note", *reversed(blocks)])) == sample()


name = st.from_regex(r"[a-z0-9][a-z0-9+.\-]{0,12}", fullmatch=True)
version = st.from_regex(r"(?:[0-9]{1,3}:)?[0-9][0-9A-Za-z.+~\-]{0,12}", fullmatch=True)


@given(st.dictionaries(name, st.tuples(version, version, st.integers(0, 10**12), st.integers(0, 2**33)), max_size=6))
def test_any_content_survives(content: dict[str, tuple[str, str, int, int]]) -> None:
    lock = Lock()
    for key, (own, source, size, date) in content.items():
        lock.packages["sid", "arm64", key] = package(key, own, source_version=source, size=size, date=date)
    if content:
        names = tuple(sorted(content))
        lock.closures["sid", "arm64", names] = dict.fromkeys(names, names)
    assert parse_lock(format_lock(lock)) == lock


def changed(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("", 1, "does not begin"),
        ("{}", 1, "does not begin"),
        (changed("fpack-lock 1", "fpack-lock 0"), 1, "no such format"),
        (changed("suite trixie trixie ", "suite trixie "), 4, "not a line"),
        (changed("until=never", "until=soon"), 4, "not a line"),
        (changed("date=2025-06-15T15:06:40Z", "date=2025-13-15T15:06:40Z"), 4, "not a date"),
        (changed("01" * 32, "01" * 31), 4, "not a line"),
        (changed("size=123", "size=-1"), 7, "not a line"),
        (changed("file=pool/main", "file=/pool/main"), 7, "not a line"),
        (changed("file=pool/main", "file=pool/../main"), 7, "not a line"),
        (changed("file=pool/main", "file=pool/./main"), 7, "not a line"),
        (changed("package trixie", "<<<<<<< ours\npackage trixie"), 7, "conflict"),
        (changed("closure trixie amd64 hello", "closure trixie amd64"), 11, "not a closure"),
        (changed("  hello:", "  hello"), 12, "not a member"),
        (changed("  libstdc++6:\n", "  libstdc++6:\n  libstdc++6:\n"), 14, "duplicate"),
        (TEXT + TEXT.split("\n")[3] + "\n", 14, "duplicate entry"),
        (TEXT + "  loose:\n", 14, "libstdc"),
    ],
)
def test_corruption_is_told_with_its_line(text: str, line: int, why: str) -> None:
    with pytest.raises(LockCorrupt) as caught:
        parse_lock(text, "my.lock")
    if why != "libstdc":
        assert caught.value.where == f"my.lock:{line}"
        assert why in caught.value.why
        assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (changed("  hello: libstdc++6", "  hello: other"), "lacks other"),
        (changed("closure trixie amd64 hello", "closure trixie amd64 hello none"), "lacks none"),
        (changed("closure trixie amd64 hello", "closure trixie amd64 libstdc++6 hello"), "not sorted"),
        (re.sub(r"package trixie amd64 libstdc.*\n", "", TEXT), "no package line for libstdc"),
        (re.sub(r"suite trixie trixie debian .*\n", "", TEXT), "no suite line"),
    ],
)
def test_contradictions(text: str, why: str) -> None:
    with pytest.raises(LockCorrupt) as caught:
        parse_lock(text)
    assert why in caught.value.why


@given(st.integers(0, len(TEXT) - 1), st.characters(codec="utf-8"))
def test_any_change_of_a_character_is_an_error_or_another_lock(at: int, character: str) -> None:
    text = TEXT[:at] + character + TEXT[at + 1 :]
    try:
        lock = parse_lock(text)
    except LockError:
        return
    assert parse_lock(format_lock(lock)) == lock


def test_answers_of_other_indexes_need_format_3() -> None:
    lock = Lock()
    lock.answers["python", '{"arch":"amd64"}'] = ('{"project":"a"}', '{"project":"b"}')
    text = format_lock(lock)
    assert text.startswith("fpack-lock 3\n") and parse_lock(text) == lock and lock.copy() == lock
    for wrong in (
        text.replace('{"project":"b"}', "{b}"),
        text.replace('{"arch"', '{ "arch"'),
        text.replace("python", "Py"),
        *(text.replace('"b"', "[" * depth + "]" * depth) for depth in (40, 989, 992, 5000)),
    ):
        with pytest.raises(LockCorrupt):
            parse_lock(wrong)


def test_time_is_in_proportion_to_the_items_of_an_answer() -> None:
    text = 'fpack-lock 3\nresolved python {"a":1}\n'
    check_linear(lambda count: parse_lock(text + "  {}\n" * count), 10_000)


def test_a_newer_format() -> None:
    with pytest.raises(LockNewer, match="newer version of fpack") as caught:
        parse_lock(TEXT.replace("fpack-lock 1", "fpack-lock 4") + "unknown things\n")
    assert "update fpack" in caught.value.hint


def test_a_file(tmp_path: Path) -> None:
    file = LockFile(tmp_path / "deep" / "fpack.lock")
    assert not file.changed
    file.save()
    assert not file.path.exists()
    file.lock.packages.update(sample().packages)
    assert file.changed
    file.save()
    assert not file.changed
    assert LockFile(file.path).lock == file.lock
    assert os.listdir(file.path.parent) == ["fpack.lock"]
    assert file.path.stat().st_mode & 0o777 == 0o644


def test_two_writers_that_agree(tmp_path: Path) -> None:
    path = tmp_path / "fpack.lock"
    one, two = LockFile(path), LockFile(path)
    one.lock.packages["trixie", "amd64", "a"] = package("a")
    two.lock.packages["trixie", "amd64", "b"] = package("b")
    two.lock.packages["trixie", "amd64", "a"] = package("a")
    one.save()
    two.save()
    assert sorted(n for _, _, n in LockFile(path).lock.packages) == ["a", "b"]


def test_two_writers_that_disagree(tmp_path: Path) -> None:
    path = tmp_path / "fpack.lock"
    one, two = LockFile(path), LockFile(path)
    one.lock.packages["trixie", "amd64", "a"] = package("a", "1")
    two.lock.packages["trixie", "amd64", "a"] = package("a", "2")
    one.save()
    with pytest.raises(LockChanged):
        two.save()
    assert LockFile(path).lock.packages["trixie", "amd64", "a"].version == "1"


def test_a_merge_may_not_contradict_itself(tmp_path: Path) -> None:
    path = tmp_path / "fpack.lock"
    path.write_text(TEXT)
    one, two = LockFile(path), LockFile(path)
    del one.lock.closures["trixie", "amd64", ("hello",)]
    del one.lock.packages["trixie", "amd64", "libstdc++6"]
    two.lock.packages["trixie", "amd64", "new"] = package("new")
    two.lock.closures["trixie", "amd64", ("new",)] = {"new": ("libstdc++6",), "libstdc++6": ()}
    one.save()
    with pytest.raises(LockChanged):
        two.save()


def test_many_writers_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "fpack.lock"

    def write(number: int) -> None:
        for step in range(5):
            file = LockFile(path)
            file.lock.packages["trixie", "amd64", f"p{number}-{step}"] = package(f"p{number}-{step}")
            file.save()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(6)))
    assert len(LockFile(path).lock.packages) == 30


def test_a_failed_write_leaves_the_old_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "fpack.lock"
    path.write_text(TEXT)
    file = LockFile(path)
    file.lock.packages["trixie", "amd64", "a"] = package("a")

    def fail(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(LockError, match="No space left"):
        file.save()
    assert path.read_text() == TEXT
    assert os.listdir(tmp_path) == ["fpack.lock"]


def test_a_link_to_a_lock_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "fpack.lock").symlink_to("shared/the.lock")
    file = LockFile(tmp_path / "fpack.lock")
    file.lock.packages["trixie", "amd64", "a"] = package("a")
    file.save()
    assert (tmp_path / "fpack.lock").is_symlink()
    assert (tmp_path / "shared" / "the.lock").read_text() == format_lock(file.lock)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(LockError):
        LockFile(tmp_path)
    (tmp_path / "l").write_bytes(b"fpack-lock 1\n\xff\n")
    with pytest.raises(LockError):
        LockFile(tmp_path / "l")


@pytest.mark.parametrize("there", [False, True])
def test_a_link_to_a_file_elsewhere_is_refused(tmp_path: Path, there: bool) -> None:
    """A cloned project may contain a symlink `fpack.lock` to ~/.bash_login or to another project's lock."""
    (tmp_path / "project").mkdir()
    if there:
        (tmp_path / "new").write_text(TEXT)
    (tmp_path / "project/fpack.lock").symlink_to("../new")
    file = LockFile(tmp_path / "project/fpack.lock")
    file.lock.packages["trixie", "amd64", "a"] = package("a")
    with pytest.raises(LockError, match="is a link to another directory"):
        file.save()
    assert sorted(os.listdir(tmp_path)) == (["new", "project"] if there else ["project"])
    assert not there or (tmp_path / "new").read_text() == TEXT
