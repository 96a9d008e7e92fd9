"""Packages of Python and Node: which file of an index is meant, and that nothing else than what is locked comes."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.kinds import npm, pypi
from fpack.builders.kinds.fetch import FetchBuilder
from fpack.builders.kinds.pypi import IndexFile, WheelTarget
from fpack.builders.net.errors import BadUrl, HttpError
from fpack.builders.net.http import Http
from fpack.builders.net.language_packages import tool_settings
from fpack.builders.net.origins import Origins
from fpack.builders.protocol import BuildError
from fpack.store.derivation import Derivation, Output
from fpack.store.path import StorePath
from support.servers.httpserver import Server
from support.stores.task import FakeStore

TRIXIE = WheelTarget(13, (2, 41), "x86_64")


def _best(*names: str, target: WheelTarget = TRIXIE) -> str | None:
    files = [IndexFile(name, f"https://example.org/{name}", str(i)) for i, name in enumerate(names)]
    for order in (files, files[::-1]):
        found = pypi.choose(order, {file.sha256 for file in files}, target)
    return found.name if found else None


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ("a-1-cp313-cp313-manylinux_2_28_x86_64.whl", "a-1-cp313-cp313-manylinux2014_x86_64.whl"),
        ("a-1-cp313-cp313-manylinux2014_x86_64.whl", "a-1-cp311-abi3-manylinux2014_x86_64.whl"),
        ("a-1-cp311-abi3-manylinux2014_x86_64.whl", "a-1-cp38-abi3-manylinux2014_x86_64.whl"),
        ("a-1-cp38-abi3-manylinux2014_x86_64.whl", "a-1-py3-none-any.whl"),
        ("a-1-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "a-1-py3-none-any.whl"),
        ("a-1-py2.py3-none-any.whl", "a-1.tar.gz"),
        ("a-1-1-py3-none-any.whl", "a-1.zip"),
    ],
)  # fmt: skip
def test_what_fits_more_exactly_is_better(better: str, worse: str) -> None:
    assert _best(better, worse) == better


@pytest.mark.parametrize(
    "name",
    [
        "a-1-cp312-cp312-manylinux_2_28_x86_64.whl",
        "a-1-cp313-cp313t-manylinux_2_28_x86_64.whl",
        "a-1-cp313-cp313-manylinux_2_42_x86_64.whl",
        "a-1-cp313-cp313-manylinux_2_28_aarch64.whl",
        "a-1-cp313-cp313-musllinux_1_2_x86_64.whl",
        "a-1-cp313-cp313-win_amd64.whl",
        "a-1-cp314-abi3-manylinux_2_28_x86_64.whl",
        "a-1-py2-none-any.whl",
        "a-1-py314-none-any.whl",
        "a-1.exe",
        "a.whl",
    ],
)
def test_what_does_not_fit_is_never_taken(name: str) -> None:
    assert _best(name) is None


def test_what_is_not_locked_is_never_taken() -> None:
    assert pypi.choose([IndexFile("a-1-py3-none-any.whl", "", "00")], {"11"}, TRIXIE) is None


def test_links_of_a_page() -> None:
    digest = "ab" * 32
    page = f"""<!DOCTYPE html><a href="../../f/a-1-py3-none-any.whl#sha256={digest}" data-x="&gt;">a</a>
      <A HREF='https://files.example.org/a%2B1.tar.gz#md5=00&amp;sha256={digest}'>b</A> <a href="c.whl">no hash</a>"""
    assert pypi.links(page, "https://index.example.org/simple/a/") == [
        IndexFile("a-1-py3-none-any.whl", "https://index.example.org/f/a-1-py3-none-any.whl", digest),
        IndexFile("a+1.tar.gz", "https://files.example.org/a%2B1.tar.gz", digest),
    ]
    page = f'<a href="file:///home/me/a-1.tar.gz#sha256={digest}">a</a>'
    assert pypi.links(page, "https://index.example.org/simple/a/") == []
    assert pypi.links(page, "file:///srv/simple/a/") == [IndexFile("a-1.tar.gz", "file:///home/me/a-1.tar.gz", digest)]


def test_settings_of_pip() -> None:
    listing = (
        "global.index-url='https://one.example.org/simple'\n:env:.index-url='https://two.example.org/s'\nuser.x='1'"
    )
    assert tool_settings.settings_of(listing) == {"index-url": "https://two.example.org/s", "x": "1"}
    help_ = (
        "  -i, --index-url <url>   Base URL of the Python Package Index\n     (default\n https://py.example.org/s). It"
    )
    assert tool_settings.default_of(help_) == "https://py.example.org/s"
    assert tool_settings.default_of("nothing") == ""


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an index on the disk, the only one that pip is configured for."""
    monkeypatch.setattr(pypi, "pip_indexes", lambda: (tmp_path.as_uri(),))
    monkeypatch.setattr(pypi, "pip_directories", tuple)
    folder = tmp_path / "some-project"
    folder.mkdir()
    return folder


def _offer(index: Path, name: str, content: bytes) -> str:
    (index / name).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    with open(index / "index.html", "a") as page:
        page.write(f'<a href="{name}#sha256={digest}">{name}</a>\n')
    return digest


def _build(tmp_path: Path, **args: Any) -> Path:
    store = FakeStore(tmp_path / "root")
    full = {"project": "Some.Project", "version": "1", "urls": [], "optional": False, "arch": "amd64", "sources": False}
    full |= {"python": "3.13", "libc": "2.41", **args}

    def answer(wanted: Output | Derivation) -> StorePath:
        assert isinstance(wanted, Derivation)
        return store.build(FetchBuilder(Http(), origins), wanted.name, wanted.args)

    origins = Origins(lambda url: [url])
    return store.disk(store.build(pypi.PypiBuilder(Http(), origins), "some-project-1", full, answer=answer))


def test_the_file_comes_by_its_hash(tmp_path: Path, index: Path) -> None:
    wheel = _offer(index, "some_project-1-py3-none-any.whl", b"a wheel")
    source = _offer(index, "some_project-1.tar.gz", b"sources")
    _offer(index, "some_project-1-cp313-cp313-manylinux2014_x86_64.whl", b"added later by a stranger")
    place = _build(tmp_path, hashes=[source, wheel])
    assert {p.name: p.read_bytes() for p in place.iterdir()} == {"some_project-1-py3-none-any.whl": b"a wheel"}


def test_an_index_that_gives_another_file_is_found_out(tmp_path: Path, index: Path) -> None:
    wheel = _offer(index, "some_project-1-py3-none-any.whl", b"a wheel")
    (index / "some_project-1-py3-none-any.whl").write_bytes(b"another")
    with pytest.raises(Exception, match="not what was asked for|sha256|SHA-256"):
        _build(tmp_path, hashes=[wheel])


def test_what_no_index_has(tmp_path: Path, index: Path) -> None:
    _offer(index, "some_project-1-py3-none-any.whl", b"a wheel")
    with pytest.raises(BuildError, match="No index has some-project 1 with one of the locked hashes"):
        _build(tmp_path, hashes=["00" * 32])
    assert not list(_build(tmp_path / "x", hashes=["00" * 32], optional=True).iterdir())


def test_what_fits_no_system_is_named(tmp_path: Path, index: Path) -> None:
    wheel = _offer(index, "some_project-1-cp313-cp313-win_amd64.whl", b"a wheel")
    with pytest.raises(BuildError, match="No file of some-project 1 is compatible") as error:
        _build(tmp_path, hashes=[wheel])
    assert "win_amd64" in error.value.why


def test_sources_are_taken_where_they_will_do(tmp_path: Path, index: Path) -> None:
    source = _offer(index, "some_project-1.tar.gz", b"sources")
    with pytest.raises(BuildError, match="no compatible wheel") as error:
        _build(tmp_path, hashes=[source])
    assert "sources = true" in error.value.hint and "some_project-1.tar.gz" in error.value.why
    assert [p.name for p in _build(tmp_path / "x", hashes=[source], sources=True).iterdir()] == [
        "some_project-1.tar.gz"
    ]


# ---- npm


def _integrity(content: bytes, algorithm: str = "sha512") -> str:
    return f"{algorithm}-{base64.b64encode(hashlib.new(algorithm, content).digest()).decode()}"


def test_an_archive_comes_by_its_integrity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npm, "npm_registry", lambda: None)
    (tmp_path / "ms.tgz").write_bytes(b"an archive")
    store = FakeStore(tmp_path / "root")
    args = {"path": "x", "url": (tmp_path / "ms.tgz").as_uri(), "integrity": f"sha1-AAAA {_integrity(b'an archive')}"}
    kind = npm.NpmBuilder(Http(), Origins(lambda url: [url], tmp_path))
    assert store.disk(store.build(kind, "ms.tgz", args)).read_bytes() == b"an archive"
    # As npm writes it.
    assert store.disk(store.build(kind, "ms.tgz", {**args, "url": "file:ms.tgz"})).read_bytes() == b"an archive"
    with pytest.raises(BadUrl, match="outside the project"):
        store.build(kind, "ms.tgz", {**args, "url": "file:../ms.tgz"})
    with pytest.raises(BuildError, match="differs from its lock"):
        store.build(kind, "ms.tgz", {**args, "integrity": _integrity(b"another")})


@pytest.mark.parametrize("status", [403, 404])
def test_an_archive_that_the_registry_withdrew_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    store = FakeStore(tmp_path / "root")
    kind = npm.NpmBuilder(Http(retries=0), Origins(lambda url: [url], tmp_path))
    with Server(tmp_path) as server:
        monkeypatch.setattr(npm, "npm_registry", lambda: server.url)
        server.fail("/@a/ms/-/ms-1.0.tgz", status)
        args = {"path": "@a/ms/-/ms-1.0.tgz", "url": "", "integrity": _integrity(b"gone")}
        with pytest.raises(HttpError) as caught:
            store.build(kind, "ms-1.0.tgz", args)
    assert "npm update @a/ms " in caught.value.hint
    assert ("credentials" in caught.value.hint) == (status == 403)


@pytest.mark.parametrize(
    ("path", "status"), [("$(id)/-/ms-1.0.tgz", 404), ("-x/-/ms-1.0.tgz", 404), ("@a/ms/-/ms-1.0.tgz", 401)]
)
def test_an_archive_gives_no_hint_of_a_command_with_characters_of_the_shell_or_for_a_missing_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, status: int
) -> None:
    store = FakeStore(tmp_path / "root")
    kind = npm.NpmBuilder(Http(retries=0), Origins(lambda url: [url], tmp_path))
    with Server(tmp_path) as server:
        monkeypatch.setattr(npm, "npm_registry", lambda: server.url)
        server.fail(f"/{path}", status)
        with pytest.raises(HttpError) as caught:
            store.build(kind, "ms-1.0.tgz", {"path": path, "url": "", "integrity": _integrity(b"gone")})
    assert "npm" not in caught.value.hint


@pytest.mark.parametrize("integrity", ["", "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=", "sha512-AAAA", "sha512-!", "md5-AA=="])
def test_an_integrity_that_proves_nothing_is_refused(integrity: str) -> None:
    with pytest.raises(BuildError, match="no SHA-2 integrity for ms"):
        npm.digest(integrity, "ms")


def test_the_configured_registry_comes_first() -> None:
    url, path = "https://lock.example.org/ms/-/ms-2.1.3.tgz", "ms/-/ms-2.1.3.tgz"
    assert npm.addresses(url, path, "https://own.example.org/npm") == [f"https://own.example.org/npm/{path}", url]
    assert npm.addresses(url, path, "https://lock.example.org") == [url]
    assert npm.addresses(url, path, None) == [url]
    assert npm.addresses("", path, "https://own.example.org") == [f"https://own.example.org/{path}"]
    assert npm.addresses("https://git.example.org/x.tgz", path, "https://o.example.org") == [
        "https://git.example.org/x.tgz"
    ]
    assert npm.addresses("", path, None) == []
