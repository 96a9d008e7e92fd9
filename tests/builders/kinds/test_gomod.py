"""Modules of Go: a module is exactly what go.sum locks, and comes from the servers that Go itself would ask."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.kinds import gomod
from fpack.builders.net.errors import HttpError
from fpack.builders.net.http import Http
from fpack.builders.net.language_packages import tool_settings
from fpack.builders.net.language_packages.tool_settings import proxies_of
from fpack.builders.protocol import BuildError
from support.archives.goproxy import GoProxy, archive, h1
from support.servers.httpserver import Server
from support.stores.task import FakeStore

MODULE, VERSION = "example.org/Greeting/v2", "v2.1.0"
FILES = {"go.mod": f"module {MODULE}\n", "b.go": "package greeting\n", "a/A.go": "package a\n" * 1000}


@pytest.fixture
def proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GoProxy:
    """Return a proxy with one module, the only one that this machine is set to."""
    made = GoProxy(tmp_path / "proxy")
    made.add(MODULE, VERSION, FILES)
    _set(monkeypatch, made.url)
    return made


def _set(monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    monkeypatch.setattr(gomod, "go_proxies", lambda module, defaults: proxies_of(setting))


def _build(tmp_path: Path, sums: str, **args: Any) -> Path:
    hashes = {words[1].rpartition("/")[2]: words[2] for words in map(str.split, sums.splitlines())}
    full = {"module": MODULE, "version": VERSION, "zip": hashes[VERSION], "mod": hashes["go.mod"], "toolchain": ""}
    store = FakeStore(tmp_path / "root")
    return store.disk(store.build(gomod.GomodBuilder(Http()), "greeting", full | args))


def test_a_module_comes_as_a_proxy_has_it(tmp_path: Path, proxy: GoProxy) -> None:
    place = _build(tmp_path, proxy.sums)
    folder = place / "example.org/!greeting/v2/@v"
    assert sorted(each.name for each in folder.iterdir()) == [f"{VERSION}.mod", f"{VERSION}.zip"]
    assert (folder / f"{VERSION}.mod").read_text() == FILES["go.mod"]
    with zipfile.ZipFile(folder / f"{VERSION}.zip") as packed:
        found = {name: packed.read(name).decode() for name in packed.namelist()}
    assert found == {f"{MODULE}@{VERSION}/{name}": text for name, text in FILES.items()}


def test_however_it_is_packed_it_comes_out_the_same(tmp_path: Path, proxy: GoProxy) -> None:
    first = _build(tmp_path / "1", proxy.sums).name
    files = {f"{MODULE}@{VERSION}/{name}": text.encode() for name, text in reversed(FILES.items())}
    target = proxy.place(MODULE, VERSION, "zip")
    before = target.read_bytes()
    target.write_bytes(archive(files, zipfile.ZIP_DEFLATED))
    assert target.read_bytes() != before
    assert _build(tmp_path / "2", proxy.sums).name == first


@pytest.mark.parametrize("name", ["b.go", "new.go"])
def test_another_file_is_found_out(tmp_path: Path, proxy: GoProxy, name: str) -> None:
    files = {f"{MODULE}@{VERSION}/{n}": text.encode() for n, text in (FILES | {name: "package evil\n"}).items()}
    proxy.place(MODULE, VERSION, "zip").write_bytes(archive(files))
    with pytest.raises(BuildError, match="differs from go.sum") as error:
        _build(tmp_path, proxy.sums)
    assert h1(files) in error.value.why and error.value.where == f"{proxy.url}/example.org/!greeting/v2/@v/v2.1.0.zip"


def test_another_go_mod_is_found_out(tmp_path: Path, proxy: GoProxy) -> None:
    proxy.place(MODULE, VERSION, "mod").write_text(f"module {MODULE}\nreplace a => b\n")
    with pytest.raises(BuildError, match="differs from go.sum") as error:
        _build(tmp_path, proxy.sums)
    assert "go.mod" in error.value.why


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"<html>", "not a zip"),
        (archive({f"{MODULE}@{VERSION}/go.mod": b"x" * 100})[:60], "not a zip"),
        (archive({"elsewhere/go.mod": b""}), "must begin with"),
        (archive({f"{MODULE}@{VERSION}/../go.mod": b""}), "must begin with"),
        (archive({f"{MODULE}@{VERSION}/a\nb": b""}), "must begin with"),
    ],
    ids=["html", "cut", "elsewhere", "above", "newline"],
)
def test_what_is_no_archive_of_a_module(tmp_path: Path, proxy: GoProxy, content: bytes, why: str) -> None:
    proxy.place(MODULE, VERSION, "zip").write_bytes(content)
    with pytest.raises(BuildError, match="archive cannot be read") as error:
        _build(tmp_path, proxy.sums)
    assert why in error.value.why


def test_what_unpacks_to_too_much_is_refused_before_it_does(
    tmp_path: Path, proxy: GoProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gomod, "MAX_ZIP", 1 << 20)
    files = {f"{MODULE}@{VERSION}/{n}": bytes(1 << 19) for n in "abc"}
    proxy.place(MODULE, VERSION, "zip").write_bytes(archive(files))
    with pytest.raises(BuildError) as error:
        _build(tmp_path, proxy.sums)
    assert "limit of 1 MB" in error.value.why
    assert not [each for each in tmp_path.rglob("zip") if each.is_file() and each.stat().st_size > 1000]


@pytest.mark.parametrize("module", ["../up", "/abs", "a//b", "a b", "a\0", ""])
def test_what_is_no_module_is_refused(module: str) -> None:
    with pytest.raises(BuildError, match="invalid module path"):
        gomod.escaped(module)


# ---- where


def test_proxies_in_their_order() -> None:
    assert proxies_of("https://a.example.org/,direct").proxies == (("https://a.example.org", False),)
    both = proxies_of("https://a.example.org|file:///b, off,https://c.example.org")
    assert both.proxies == (("https://a.example.org", True), ("file:///b", False))
    assert proxies_of("direct").proxies == proxies_of("off").proxies == proxies_of("").proxies == ()


def test_what_is_private_is_asked_of_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool_settings, "_go_settings", lambda: {"GOPRIVATE": "*.corp.example.org,example.org/secret"})
    defaults = "# comment\nGOPROXY=https://a.example.org,direct\n"
    assert tool_settings.go_proxies("git.corp.example.org/x/y", defaults).proxies == ()
    assert tool_settings.go_proxies("example.org/secret", defaults).proxies == ()
    assert tool_settings.go_proxies("example.org/secrets", defaults).proxies == (("https://a.example.org", False),)
    assert tool_settings.go_proxies("example.org", defaults).proxies != ()


def test_a_roots_settings_name_no_directory_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A root may be a project's own; the user's settings may name one."""
    setting = "file:///home/me/proxy|https://a.example.org"
    monkeypatch.setattr(tool_settings, "_go_settings", dict)
    found = tool_settings.go_proxies("example.org/a", f"GOPROXY={setting}")
    assert found.proxies == (("https://a.example.org", False),)
    monkeypatch.setattr(tool_settings, "_go_settings", lambda: {"GOPROXY": setting})
    assert tool_settings.go_proxies("example.org/a", "").proxies[0] == ("file:///home/me/proxy", True)


def test_without_go_its_environment_and_its_file_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    for name in ("GOPROXY", "GONOPROXY", "GOPRIVATE", "GOENV"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "go").mkdir()
    (tmp_path / "go/env").write_text("GOPROXY=https://file.example.org\nGOPRIVATE=x.example.org\n")
    tool_settings._go_settings.cache_clear()
    try:
        assert (
            tool_settings.go_proxies("a/b", "GOPROXY=https://o.example.org").proxies[0][0] == "https://file.example.org"
        )
        tool_settings._go_settings.cache_clear()
        monkeypatch.setenv("GOPROXY", "https://environment.example.org")
        assert tool_settings.go_proxies("a/b", "").proxies[0][0] == "https://environment.example.org"
    finally:
        tool_settings._go_settings.cache_clear()


def test_the_next_proxy_has_what_the_first_has_not(
    tmp_path: Path, proxy: GoProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with Server(empty) as server:
        _set(monkeypatch, f"{server.url},{proxy.url}")
        _build(tmp_path / "1", proxy.sums)
        assert [path for _, path, _ in server.requests] == [
            f"/example.org/!greeting/v2/@v/v2.1.0.{each}" for each in ("mod", "zip")
        ]
        # A server in trouble is no reason to go on, unless the setting says so.
        server.fail("/example.org/!greeting/v2/@v/v2.1.0.mod", 403)
        with pytest.raises(HttpError):
            _build(tmp_path / "2", proxy.sums)
        _set(monkeypatch, f"{server.url}|{proxy.url}")
        _build(tmp_path / "3", proxy.sums)


def test_nowhere_to_look(tmp_path: Path, proxy: GoProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, "direct")
    with pytest.raises(BuildError, match="no proxy to download greeting from") as error:
        _build(tmp_path, proxy.sums)
    assert "GOPROXY is direct" in error.value.why and "go mod vendor" in error.value.hint
