"""Test that what projects fetch from the registries of languages is kept, and can come from the mirror alone."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.debian.lock.file import LockFile
from fpack.builders.kinds import fetch, gomod, npm, pypi
from fpack.builders.mirrors.keeping import KeepRequest, keep
from fpack.builders.mirrors.places import KeptPlace, KeptPlaces
from fpack.builders.net.http import Http
from fpack.builders.net.language_packages.tool_settings import proxies_of
from fpack.builders.net.origins import Origins
from fpack.builders.protocol import BuildError, Cancelled
from fpack.cli.mirrors.content import KeptContent, files_of, pinned_fetch
from fpack.cli.options import SharedOptions
from fpack.cli.workspace.workspace import Workspace
from fpack.store.derivation import Derivation, Output
from fpack.store.errors import FpackError, StoreFull
from support.archives.goproxy import GoProxy
from support.processes.program import Fpack, world
from support.servers.memory_repository import MemoryRepository
from support.servers.repositories import digest_of
from support.stores.task import FakeStore

NOW = 1e9
DATA = b"the content"
MODULE, VERSION = "example.org/Greeting", "v2.1.0"
WHEEL = "thing-1-py3-none-any.whl"


class KeptKinds:
    """Builds of fetching kinds, and one place that keeps what they fetched."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repository = MemoryRepository()
        self.said: list[str] = []
        self.places = KeptPlaces([KeptPlace("oci://r/kept", lambda: self.repository, self.said.append)])
        self.builds = 0

    def build(self, kind: str, name: str, args: Mapping[str, Any], kept: bool) -> Path:
        """Build with the place, or from the network's stand-in."""
        self.builds += 1
        store = FakeStore(self.folder / str(self.builds))
        http = Http(retries=0, environ={}, kept=self.places if kept else None)
        origins = Origins(lambda url: [url], self.folder)
        builders: dict[str, Any] = {
            "fetch": fetch.FetchBuilder(http, origins), "npm": npm.NpmBuilder(http, origins),
            "gomod": gomod.GomodBuilder(http), "pypi": pypi.PypiBuilder(http, origins),
        }  # fmt: skip

        def answer(wanted: Output | Derivation) -> Any:
            assert isinstance(wanted, Derivation)
            return store.build(builders["fetch"], wanted.name, wanted.args)

        return store.disk(store.build(builders[kind], name, args, answer=answer))

    def keep(self, kind: str, name: str, args: Mapping[str, Any], made: Path) -> int:
        """Keep what was fetched. Return the number of files."""
        pinned = pinned_fetch(Output(b"d" * 20), Derivation(kind, name, args).encode())
        assert pinned is not None
        request = KeepRequest("0" * 40, "", [pinned.item], lambda items: [files_of(pinned, made)])
        done = keep(self.repository, request, NOW)
        again = keep(self.repository, request._replace(identity="1" * 40, obtain=lambda items: 1 / 0), NOW)  # type: ignore[arg-type,return-value]
        assert again.files == done.files and again.sent == 0
        return done.files


@pytest.fixture
def kept(tmp_path: Path) -> KeptKinds:
    return KeptKinds(tmp_path)


def content(path: Path) -> dict[str, bytes]:
    if path.is_file():
        return {"": path.read_bytes()}
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


Cases = Mapping[str, tuple[str, dict[str, Any], Callable[[], None]]]


@pytest.fixture
def cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cases:
    """By kind: a name, arguments, and a function that takes what they name off the network."""
    (tmp_path / "file").write_bytes(DATA)
    url = (tmp_path / "file").as_uri()
    sha512 = hashlib.sha512(DATA)
    proxy = GoProxy(tmp_path / "proxy")
    proxy.add(MODULE, VERSION, {"go.mod": f"module {MODULE}\n", "b.go": "package greeting\n"})
    monkeypatch.setattr(gomod, "go_proxies", lambda module, defaults: proxies_of(proxy.url))
    sums = {words[1].rpartition("/")[2]: words[2] for words in map(str.split, proxy.sums.splitlines())}
    index = tmp_path / "index" / "thing"
    index.mkdir(parents=True)
    (index / WHEEL).write_bytes(DATA)
    sha256 = hashlib.sha256(DATA).hexdigest()
    (index / "index.html").write_text(f'<a href="{WHEEL}#sha256={sha256}">{WHEEL}</a>')
    monkeypatch.setattr(pypi, "pip_indexes", lambda: (index.parent.as_uri(),))
    monkeypatch.setattr(pypi, "pip_directories", tuple)
    monkeypatch.setattr(npm, "npm_registry", lambda: None)
    wheel = {"project": "thing", "version": "1", "hashes": [sha256, "0" * 64], "urls": [], "python": "3.13"}

    def gone(*paths: Path) -> Callable[[], None]:
        def delete() -> None:
            for path in paths:
                path.unlink()

        return delete

    integrity = f"sha512-{base64.b64encode(sha512.digest()).decode()}"
    modules = tuple(proxy.place(MODULE, VERSION, end) for end in ("zip", "mod"))
    return {
        "fetch": ("file", {"urls": [url], "sha256": "", "sha512": sha512.hexdigest()}, gone(tmp_path / "file")),
        "npm": ("a.tgz", {"path": "a", "url": url, "integrity": integrity}, gone(tmp_path / "file")),
        "gomod": (
            "greeting",
            {"module": MODULE, "version": VERSION, "zip": sums[VERSION], "mod": sums["go.mod"], "toolchain": ""},
            gone(*modules),
        ),
        "pypi": (
            "thing-1",
            {**wheel, "libc": "2.41", "arch": "amd64", "optional": False, "sources": False},
            gone(index / WHEEL, index / "index.html"),
        ),
    }


@pytest.mark.parametrize("kind", ["fetch", "npm", "gomod", "pypi"])
def test_what_is_gone_comes_from_the_place(kept: KeptKinds, cases: Cases, kind: str) -> None:
    name, args, delete = cases[kind]
    made = kept.build(kind, name, args, kept=False)
    assert kept.keep(kind, name, args, made) == (2 if kind == "gomod" else 1)
    delete()
    with pytest.raises(Exception, match=".") as failed:
        kept.build(kind, name, args, kept=False)
    assert failed.type.__module__.startswith("fpack.")
    again = kept.build(kind, name, args, kept=True)
    assert content(again) == content(made) and again.name == made.name
    assert not kept.said


@pytest.mark.parametrize("kind", ["fetch", "npm", "gomod", "pypi"])
def test_other_content_in_the_place_is_refused(kept: KeptKinds, cases: Cases, kind: str) -> None:
    """The place's own table says that its file is the wanted one."""
    name, args, delete = cases[kind]
    made = kept.build(kind, name, args, kept=False)
    kept.keep(kind, name, args, made)
    for digest, data in list(kept.repository.blobs.items()):
        if not data.startswith(b"{"):
            kept.repository.lies[digest] = data[::-1]
    again = kept.build(kind, name, args, kept=True)
    assert content(again) == content(made) and len(kept.said) == 1
    delete()
    with pytest.raises(Exception, match=".") as failed:
        kept.build(kind, name, args, kept=True)
    assert failed.type.__module__.startswith("fpack.")


def test_a_table_with_an_evil_archive_is_refused(kept: KeptKinds, cases: Cases, tmp_path: Path) -> None:
    """Whoever writes to the place puts another archive under the right integrity, with a right SHA-256 of its own."""
    name, args, delete = cases["npm"]
    made = kept.build("npm", name, args, kept=False)
    evil = tmp_path / "evil"
    evil.write_bytes(b"evil")
    kept.keep("npm", name, args, evil)
    assert digest_of(b"evil") in kept.repository.blobs
    assert content(kept.build("npm", name, args, kept=True)) == content(made) and len(kept.said) == 1
    delete()
    with pytest.raises(Exception, match="no such file|There is"):
        kept.build("npm", name, args, kept=True)


def test_a_fetch_without_a_digest_is_not_kept() -> None:
    body = Derivation("fetch", "x", {"urls": ["https://a/x"], "sha256": ""}).encode()
    assert pinned_fetch(Output(b"d" * 20), body) is None
    with pytest.raises(BuildError):
        pinned_fetch(Output(b"d" * 20), Derivation("npm", "x", {"path": "", "url": "", "integrity": ""}).encode())


@pytest.mark.parametrize("error", [StoreFull("The disk is full"), Cancelled("Interrupted")], ids=["disk", "stop"])
def test_only_an_index_that_no_archive_has_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: FpackError
) -> None:
    fpack = Fpack(tmp_path / "home", world(tmp_path / "archive"))
    (fpack.home / "fpack.fp").write_text('hello = import("fpack/debian").trixie.hello\n')
    fpack("lock", "hello")
    monkeypatch.setenv("HOME", str(tmp_path))
    options = SharedOptions(lock=fpack.home / "fpack.lock", frozen=True)
    said: list[str] = []
    with Workspace(options) as workspace:
        content = KeptContent(workspace, LockFile(fpack.home / "fpack.lock").lock, {}, said.append)
        item = next(item for item in content.request().items if item.name.startswith("the index"))
        monkeypatch.setattr(content, "realise", lambda fetches: fetches and raise_(BuildError("No mirror has it")))
        assert content.obtain([item]) == [[]] and "is not kept: No mirror has it" in said[0]
        monkeypatch.setattr(content, "realise", lambda fetches: fetches and raise_(error))
        with pytest.raises(type(error)):
            content.obtain([item])


def raise_(error: FpackError) -> Any:
    raise error
