"""A file from the network: without a declared digest it is never registered, and the user is told the one it has."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from fpack.builders.kinds import fetch
from fpack.builders.kinds.fetch import FetchBuilder
from fpack.builders.net.errors import HttpError
from fpack.builders.net.http import Http
from fpack.builders.net.origins import Origins
from fpack.builders.rootfs.view import assemble
from fpack.builders.scheduler.failures import BuildsFailed
from fpack.builders.scheduler.reporter import Reporter
from fpack.builders.scheduler.scheduler import Scheduler
from fpack.store.derivation import Derivation, Output, digest
from fpack.store.store import Store
from support.servers.httpserver import Server
from support.stores.task import FakeStore

WEAK, STRONG = hashlib.sha256(b"content").hexdigest(), hashlib.sha512(b"content").hexdigest()


@pytest.mark.parametrize(
    ("sha256", "sha512", "why"),
    [
        ("", STRONG, ""), (WEAK, STRONG, ""), ("", WEAK, "128 hexadecimal digits"),
        (WEAK, "b2" * 64, "its SHA-512 is"), ("a1" * 32, STRONG, "its SHA-256 is"), ("", "b2" * 64, "its SHA-512 is"),
    ],
)  # fmt: skip
def test_each_declared_digest_must_match(tmp_path: Path, sha256: str, sha512: str, why: str) -> None:
    (tmp_path / "file").write_bytes(b"content")
    url = (tmp_path / "file").as_uri()
    drv = Derivation("fetch", "file", {"urls": [url], "sha256": sha256, "sha512": sha512})
    kinds = {"fetch": FetchBuilder(Http(retries=0), Origins(lambda url: [url], tmp_path))}
    store = Store(tmp_path / "store")
    body = drv.encode()
    scheduler = Scheduler(store, kinds, Reporter(), assemble=assemble, bodies={digest(body): body})
    if why:
        with pytest.raises(BuildsFailed) as caught:
            scheduler.realise([Output(digest(body))])
        assert why in str(caught.value) + caught.value.why
    else:
        (path,) = scheduler.realise([Output(digest(body))])
        assert store.disk(path).read_bytes() == b"content"
    store.close()


def test_the_key_of_a_fetch_has_its_declared_digests() -> None:
    builder = FetchBuilder(Http(retries=0), Origins(lambda url: [url], Path("/")))

    def key(**args: str) -> object:
        return builder.key(Derivation("fetch", "file", {"urls": [], **args}))

    assert key(sha256=WEAK) == ["fetch 1", WEAK, "file", False]
    assert key(sha256="", sha512=STRONG) == ["fetch 1", "", "file", False, STRONG]


def test_a_fetch_without_a_digest_says_which_one_it_found(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    url = (tmp_path / "file").as_uri()
    drv = Derivation("fetch", "file", {"urls": [url], "sha256": ""})
    kinds = {"fetch": FetchBuilder(Http(retries=0), Origins(lambda url: [url], tmp_path))}
    store = Store(tmp_path / "store")
    body = drv.encode()
    scheduler = Scheduler(store, kinds, Reporter(), assemble=assemble, bodies={digest(body): body})
    with pytest.raises(BuildsFailed) as caught:
        scheduler.realise([Output(digest(body))])
    assert hashlib.sha256(b"content").hexdigest() in caught.value.hint
    assert url in caught.value.why and not list((store.root / "store").iterdir())
    store.close()


@pytest.mark.parametrize("status", [403, 404])
def test_a_wheel_that_the_index_withdrew_says_what_to_do(tmp_path: Path, status: int) -> None:
    store = FakeStore(tmp_path / "root")
    kind = FetchBuilder(Http(retries=0), Origins(lambda url: [url], tmp_path))
    with Server(tmp_path) as server:
        server.fail("/Zope_Event-5.1-py3-none-any.whl", status)
        args = {"urls": [f"{server.url}/Zope_Event-5.1-py3-none-any.whl"], "sha256": WEAK}
        with pytest.raises(HttpError) as caught:
            store.build(kind, "event.whl", args)
    assert "withdrawn zope-event 5.1" in caught.value.hint
    assert "uv lock --upgrade-package zope-event" in caught.value.hint
    assert ("credentials" in caught.value.hint) == (status == 403)


def test_the_version_of_a_withdrawn_wheel_is_shown_as_the_lock_has_it() -> None:
    assert "withdrawn torch 2.1+cpu, " in fetch._withdrawn("https://a.example/torch-2.1%2Bcpu-cp311-cp311-any.whl")


@pytest.mark.parametrize(
    "name", ["$(id)-1-py3-none-any.whl", "%24(id)-1-py3-none-any.whl", "a-`id`-py3-none-any.whl", "-1-py3-none-any.whl"]
)
def test_a_hint_has_no_characters_of_the_shell(name: str) -> None:
    assert fetch._withdrawn(f"https://a.example/{name}") == ""


@pytest.mark.parametrize("status", [400, 401])
def test_a_wheel_that_needs_a_login_is_not_called_withdrawn(tmp_path: Path, status: int) -> None:
    store = FakeStore(tmp_path / "root")
    kind = FetchBuilder(Http(retries=0), Origins(lambda url: [url], tmp_path))
    with Server(tmp_path) as server:
        server.fail("/zope_event-5.1-py3-none-any.whl", status)
        args = {"urls": [f"{server.url}/zope_event-5.1-py3-none-any.whl"], "sha256": WEAK}
        with pytest.raises(HttpError) as caught:
            store.build(kind, "event.whl", args)
    assert "withdrawn" not in caught.value.hint


AUTH = {"form": "bearer", "name": "", "secret": "TOKEN"}


def test_a_login_is_in_no_key() -> None:
    builder = FetchBuilder(Http(retries=0), Origins(lambda url: [url], Path("/")))
    plain = {"urls": [], "sha256": WEAK}
    assert builder.key(Derivation("fetch", "file", {**plain, "auth": AUTH})) == builder.key(
        Derivation("fetch", "file", plain)
    )


def test_a_private_file_is_fetched_with_a_secret_that_stays_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It reaches neither the server of a redirect, nor the store, nor what is printed."""
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "file").write_bytes(b"content")
    held = tmp_path / "secrets.toml"
    with Server(tmp_path / "www") as server:
        port = server.url.rpartition(":")[2]
        held.write_text(f'[TOKEN]\nhosts = ["127.0.0.1:{port}"]\nvalue = "s3cret"\n')
        held.chmod(0o600)
        monkeypatch.setenv("FPACK_SECRETS", str(held))
        server.redirect("/moved", f"http://localhost:{port}/file")
        urls = [f"http://127.0.0.1:{port}/moved"]
        store = Store(tmp_path / "store")
        kinds = {"fetch": FetchBuilder(Http(retries=0, environ={}), Origins(lambda url: [url], tmp_path))}
        body = Derivation("fetch", "file", {"urls": urls, "sha256": WEAK, "auth": AUTH}).encode()
        scheduler = Scheduler(store, kinds, Reporter(), assemble=assemble, bodies={digest(body): body})
        (path,) = scheduler.realise([Output(digest(body))])
        assert [headers.get("authorization") for headers in server.headers[-2:]] == ["Bearer s3cret", None]
        body = Derivation(
            "fetch", "other", {"urls": [f"http://localhost:{port}/file"], "sha256": WEAK, "auth": AUTH}
        ).encode()
        scheduler = Scheduler(store, kinds, Reporter(), assemble=assemble, bodies={digest(body): body})
        with pytest.raises(BuildsFailed, match="not for this server"):
            scheduler.realise([Output(digest(body))])
    assert store.disk(path).read_bytes() == b"content"
    store.close()
    files = [file for file in (tmp_path / "store").rglob("*") if file.is_file() and not file.is_symlink()]
    assert files and not [file for file in files if b"s3cret" in file.read_bytes()]
    assert "s3cret" not in "".join(capfd.readouterr())
