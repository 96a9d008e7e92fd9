"""Test that downloads report each kind of failure by its own error, and resume partial files."""

from __future__ import annotations

import hashlib
import itertools
import socket
import types
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fpack.builders.net import errors, pace
from fpack.builders.net.http import Http
from fpack.builders.net.logins.netrc_file import Netrc
from fpack.builders.net.response import MAX_VALIDATOR, NO_VALIDATORS, Validators
from support.servers.certificates import own_certificate
from support.servers.httpserver import Server

DATA = bytes(range(256)) * 2000  # 512,000 bytes
SHA256 = hashlib.sha256(DATA).hexdigest()
SIZE = len(DATA)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "www"
    folder.mkdir()
    (folder / "file").write_bytes(DATA)
    with Server(folder) as running:
        yield running


@pytest.fixture
def http() -> Http:
    return Http(backoff=0.01, timeout=5, environ={})


def paths(server: Server) -> list[str]:
    return [path for _, path, _ in server.requests]


def ranges(server: Server) -> list[str | None]:
    return [asked for _, _, asked in server.requests]


def test_downloads_a_file_and_reports_progress(server: Server, http: Http, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    done = http.download(
        [f"{server.url}/file"], tmp_path / "out", size=SIZE, sha256=SHA256, progress=lambda *step: seen.append(step)
    )
    assert (tmp_path / "out").read_bytes() == DATA
    assert done == (f"{server.url}/file", SIZE, SHA256)
    assert seen[-1] == (SIZE, SIZE)
    assert [step for step, _ in seen] == sorted(step for step, _ in seen)


def test_downloads_without_a_digest(server: Server, http: Http, tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"what an earlier try left of who knows which file")
    assert http.download([f"{server.url}/file"], tmp_path / "out").sha256 == SHA256
    assert (tmp_path / "out").read_bytes() == DATA
    assert ranges(server) == [None]


def test_file_urls(http: Http, tmp_path: Path) -> None:
    (tmp_path / "a file+1").write_bytes(DATA)
    url = (tmp_path / "a file+1").as_uri()
    assert http.download([url], tmp_path / "out", sha256=SHA256).size == SIZE
    with http.open(url, 511_990) as response:
        assert (response.offset, response.total, b"".join(response.chunks())) == (511_990, SIZE, DATA[511_990:])
    with pytest.raises(errors.NotFound):
        http.open((tmp_path / "none").as_uri())
    with pytest.raises(errors.Refused):
        http.get([tmp_path.as_uri()], limit=10)
    with pytest.raises(errors.BadUrl):
        http.open("file://elsewhere/etc/passwd")


@pytest.mark.parametrize("url", ["ftp://example.org/a", "gopher:x", "http:///nohost", "/etc/passwd", "https://"])
def test_other_urls_are_refused(http: Http, url: str) -> None:
    with pytest.raises(errors.BadUrl):
        http.open(url)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (404, errors.NotFound),
        (410, errors.NotFound),
        (403, errors.Refused),
        (401, errors.Refused),
        (418, errors.Refused),
    ],
)
def test_a_final_status_is_not_tried_again(
    server: Server, http: Http, tmp_path: Path, status: int, error: type[errors.HttpError]
) -> None:
    server.fail("/file", status)
    with pytest.raises(error, match=str(status)):
        http.download([f"{server.url}/file"], tmp_path / "out", sha256=SHA256)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_passing_status_is_tried_again(server: Server, http: Http, tmp_path: Path, status: int) -> None:
    server.fail("/file", status, times=2)
    http.download([f"{server.url}/file"], tmp_path / "out", sha256=SHA256)
    assert len(server.requests) == 3


def test_a_lasting_server_error_ends(server: Server, tmp_path: Path) -> None:
    server.fail("/file", 503)
    with pytest.raises(errors.ServerError, match="503"):
        Http(backoff=0.01, retries=2).download([f"{server.url}/file"], tmp_path / "out", sha256=SHA256)
    assert len(server.requests) == 3


def test_a_server_says_how_long_to_wait(
    server: Server, http: Http, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    clock = types.SimpleNamespace(monotonic=lambda: sum(waited), sleep=waited.append)
    monkeypatch.setattr("fpack.builders.net.http.time", clock)
    server.fail("/file", 503, times=1, headers={"Retry-After": "7"})
    http.download([f"{server.url}/file"], tmp_path / "out", sha256=SHA256)
    assert sum(waited) == pytest.approx(7, abs=0.1)


@pytest.mark.parametrize("reset", [False, True])
def test_a_broken_download_goes_on_where_it_broke(server: Server, http: Http, tmp_path: Path, reset: bool) -> None:
    server.cut("/file", 200_000, times=1, reset=reset)
    http.download([f"{server.url}/file"], tmp_path / "out", size=SIZE, sha256=SHA256)
    assert (tmp_path / "out").read_bytes() == DATA
    assert len(server.requests) == 2
    if not reset:  # a reset may discard bytes in transit
        assert ranges(server)[1] == "bytes=200000-"


def test_a_short_body_is_told(server: Server, tmp_path: Path) -> None:
    server.cut("/file", 1000)
    with pytest.raises(errors.ShortBody, match="1000 of 512000"):
        Http(retries=0).download([f"{server.url}/file"], tmp_path / "out", sha256=SHA256)
    assert (tmp_path / "out").read_bytes() == DATA[:1000]


def test_a_body_without_a_size(server: Server, tmp_path: Path) -> None:
    http = Http(retries=0)
    server.chunked("/file")
    assert http.download([f"{server.url}/file"], tmp_path / "out").sha256 == SHA256
    server.heal()
    server.chunked("/file", cut=True)
    with pytest.raises(errors.ShortBody):
        http.download([f"{server.url}/file"], tmp_path / "out")
    with pytest.raises(errors.ShortBody):
        http.get([f"{server.url}/file"], limit=SIZE)


def test_a_partial_file_is_resumed(server: Server, http: Http, tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(DATA[:123_456])
    http.download([f"{server.url}/file"], tmp_path / "out", sha256=SHA256)
    assert ranges(server) == ["bytes=123456-"]
    assert (tmp_path / "out").read_bytes() == DATA


def test_a_whole_file_is_not_fetched_again(server: Server, http: Http, tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(DATA)
    http.download([f"{server.url}/file"], tmp_path / "out", size=SIZE, sha256=SHA256)
    assert server.requests == []


@pytest.mark.parametrize("size", [None, SIZE])
@pytest.mark.parametrize("left", [b"x" * 1000, b"x" * SIZE, b"x" * (SIZE + 7)])
def test_a_wrong_partial_file_is_replaced(
    server: Server, http: Http, tmp_path: Path, size: int | None, left: bytes
) -> None:
    (tmp_path / "out").write_bytes(left)
    http.download([f"{server.url}/file"], tmp_path / "out", size=size, sha256=SHA256)
    assert (tmp_path / "out").read_bytes() == DATA


def test_a_server_without_ranges_begins_anew(tmp_path: Path, http: Http) -> None:
    (tmp_path / "file").write_bytes(DATA)
    (tmp_path / "out").write_bytes(DATA[:1000])
    with Server(tmp_path, ranges=False) as server:
        http.download([f"{server.url}/file"], tmp_path / "out", sha256=SHA256)
    assert (tmp_path / "out").read_bytes() == DATA


def test_another_file_is_refused_and_not_kept(server: Server, http: Http, tmp_path: Path) -> None:
    server.replace("/file", DATA[:-1] + b"!")
    with pytest.raises(errors.WrongContent, match="SHA-256"):
        http.download([f"{server.url}/file"], tmp_path / "out", size=SIZE, sha256=SHA256)
    assert (tmp_path / "out").read_bytes() == b""


def test_another_size_is_refused_before_the_body(server: Server, http: Http, tmp_path: Path) -> None:
    with pytest.raises(errors.WrongContent, match="512000 bytes instead of 7"):
        http.download([f"{server.url}/file"], tmp_path / "out", size=7, sha256=SHA256)


def test_a_web_page_in_place_of_a_file(server: Server, http: Http, tmp_path: Path) -> None:
    server.page("/file")
    for size in (None, SIZE):
        with pytest.raises(errors.WrongContent, match="web page"):
            http.download([f"{server.url}/file"], tmp_path / "out", size=size, sha256=SHA256)
    with pytest.raises(errors.WrongContent, match="web page"):
        http.get([f"{server.url}/file"], limit=10_000)


def test_too_large(server: Server, http: Http, tmp_path: Path) -> None:
    with pytest.raises(errors.TooLarge):
        http.get([f"{server.url}/file"], limit=1000)
    with pytest.raises(errors.TooLarge):
        http.download([f"{server.url}/file"], tmp_path / "out", limit=1000)


def test_the_next_mirror_is_tried_and_continues(server: Server, http: Http, tmp_path: Path) -> None:
    (server.folder / "b").write_bytes(DATA)
    server.cut("/file", 100_000)
    server.fail("/none", 404)
    urls = [f"{server.url}/none", f"{server.url}/file", f"{server.url}/b"]
    done = Http(retries=0).download(urls, tmp_path / "out", sha256=SHA256)
    assert done.url == urls[2]
    assert server.requests[-1][2] == "bytes=100000-"


def test_a_failure_during_the_handling_of_another_has_its_own_cause(server: Server, tmp_path: Path) -> None:
    server.fail("/a", 404)
    try:
        Http(retries=0).download([f"{server.url}/a"], tmp_path / "out", sha256=SHA256)
    except errors.NotFound:
        with pytest.raises(errors.Unreachable) as caught:
            Http(retries=0).download(["http://127.0.0.1:1/b"], tmp_path / "out", sha256=SHA256)
        assert "404" not in caught.value.why and "/a" not in caught.value.why


def test_all_mirrors_failing_names_each_server_once(server: Server, tmp_path: Path) -> None:
    server.fail("/a", 404)
    server.fail("/b", 503)
    urls = [f"{server.url}/a", f"{server.url}/b", f"{server.url}/a", "http://127.0.0.1:1/a"]
    with pytest.raises(errors.ServerError) as caught:
        Http(retries=0).download(urls, tmp_path / "out", sha256=SHA256)
    why = caught.value.why
    name = server.url.rpartition("/")[2]
    assert why.startswith(f"{name}: the server answered 404") and "503" in why and "; 127.0.0.1:1: " in why
    assert why.count(name) == why.count(" 404 ") == 1 and why.isprintable()
    with pytest.raises(errors.NotFound) as other:
        Http(retries=0).download([urls[0], "http://127.0.0.1:1/a"], tmp_path / "out", sha256=SHA256)
    assert errors.combined([caught.value, other.value]).why == why, "the failures of a combined error are listed"
    with pytest.raises(errors.NotFound):
        Http(retries=0).download(urls[:1] * 2, tmp_path / "out", sha256=SHA256)


def test_no_urls(http: Http, tmp_path: Path) -> None:
    with pytest.raises(errors.BadUrl):
        http.download([], tmp_path / "out")


def test_nobody_listens(http: Http) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))  # held, so that no server of another test has it, and not listened on
        with pytest.raises(errors.Unreachable, match="reached"):
            http.get([f"http://127.0.0.1:{sock.getsockname()[1]}/x"], limit=10)


def test_a_name_that_does_not_resolve(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **more: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(errors.Unreachable, match="resolved"):
        http.get(["http://nowhere.invalid/x"], limit=10)


def test_a_silent_server_times_out(server: Server) -> None:
    server.slow("/file", 2)
    with pytest.raises(errors.TimedOut):
        Http(timeout=0.2, retries=1, backoff=0.01).get([f"{server.url}/file"], limit=SIZE)
    assert len(server.requests) == 2


def test_a_server_that_is_too_slow_times_out(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "WINDOW", 0.0)
    monkeypatch.setattr(pace, "LEAST", 1 << 60)
    with pytest.raises(errors.TimedOut):
        Http(retries=1, backoff=0.01).get([f"{server.url}/file"], limit=SIZE)
    assert len(server.requests) == 2


class _Stop(Exception):
    pass


def test_a_trickle_can_be_cancelled_and_resumed(server: Server, http: Http, tmp_path: Path) -> None:
    server.trickle("/file", 0.005, times=1)
    checks = itertools.count()

    def check() -> None:
        if next(checks) == 60:  # it is called for each byte that arrived
            raise _Stop

    with pytest.raises(_Stop):
        http.download([f"{server.url}/file"], tmp_path / "out", sha256=SHA256, check=check)
    part = (tmp_path / "out").read_bytes()
    assert 0 < len(part) < SIZE
    http.download([f"{server.url}/file"], tmp_path / "out", sha256=SHA256)
    assert ranges(server)[-1] == f"bytes={len(part)}-"


def test_a_pause_between_tries_can_be_cancelled(server: Server, tmp_path: Path) -> None:
    server.fail("/file", 503)
    checks: list[int] = []

    def check() -> None:
        checks.append(len(server.requests))
        if checks.count(1) == 5:
            raise _Stop

    with pytest.raises(_Stop):
        Http(backoff=1000).download([f"{server.url}/file"], tmp_path / "out", sha256=SHA256, check=check)


def test_redirects_are_followed_within_reason(server: Server, http: Http, tmp_path: Path) -> None:
    server.redirect("/old", "/file")
    assert http.download([f"{server.url}/old"], tmp_path / "out", sha256=SHA256).size == SIZE
    server.redirect("/loop", "/loop")
    with pytest.raises(errors.ServerError, match="redirects too often"):
        Http(retries=0).get([f"{server.url}/loop"], limit=10)
    server.redirect("/etc", "file:///etc/passwd")
    with pytest.raises(errors.Refused, match="redirect"):
        http.get([f"{server.url}/etc"], limit=10_000)


def test_credentials_are_sent_and_never_shown(server: Server, http: Http) -> None:
    server.fail("/file", 404)
    with pytest.raises(errors.NotFound) as caught:
        http.get([server.url.replace("http://", "http://me:s3cret@") + "/file"], limit=10)
    assert server.headers[0]["authorization"] == "Basic bWU6czNjcmV0"
    assert "s3cret" not in str(caught.value)


def test_proxies_come_from_the_environment(server: Server) -> None:
    proxied = Http(environ={"http_proxy": server.url, "no_proxy": "direct.invalid"}, retries=0)
    with pytest.raises(errors.NotFound):
        proxied.get(["http://somewhere.invalid/x"], limit=10)
    assert paths(server) == ["http://somewhere.invalid/x"]
    with pytest.raises(errors.Unreachable):
        proxied.get(["http://direct.invalid/x"], limit=10)


def test_many_threads_share_a_client(server: Server, http: Http, tmp_path: Path) -> None:
    def fetch(number: int) -> None:
        http.download([f"{server.url}/file"], tmp_path / f"out{number}", sha256=SHA256)

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(fetch, range(12)))


def test_a_link_in_the_place_of_the_target_is_refused(server: Server, http: Http, tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"mine")
    (tmp_path / "out").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError):
        http.download([f"{server.url}/file"], tmp_path / "out", sha256=SHA256)
    assert (tmp_path / "victim").read_bytes() == b"mine"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return own_certificate(tmp_path)


def test_tls_is_verified(tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(DATA)
    with Server(tmp_path, certificate=certificate) as server:
        named = server.url.replace("127.0.0.1", "localhost") + "/file"
        with pytest.raises(errors.TlsError):
            Http(retries=0).get([named], limit=SIZE)
        monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}.crt")
        assert Http(retries=0).get([named], limit=SIZE)[1] == DATA
        with pytest.raises(errors.TlsError):  # the certificate is trusted, but for another host
            Http(retries=0).get([f"{server.url}/file"], limit=SIZE)


def test_a_file_is_sent_again_only_if_it_changed(server: Server, http: Http, tmp_path: Path) -> None:
    server.validators = True
    url, out = f"{server.url}/file", tmp_path / "out"
    seen: list[tuple[int, int]] = []
    known = http.refresh(url, out, NO_VALIDATORS, limit=SIZE, progress=lambda *step: seen.append(step))
    assert known is not None and known.etag and known.modified.endswith("GMT")
    assert out.read_bytes() == DATA and seen[-1] == (SIZE, SIZE)
    assert http.refresh(url, tmp_path / "other", known, limit=SIZE) is None
    assert server.headers[-1]["if-none-match"] == known.etag
    assert server.headers[-1]["if-modified-since"] == known.modified
    (server.folder / "file").write_bytes(b"new")
    changed = http.refresh(url, out, known, limit=SIZE)
    assert out.read_bytes() == b"new" and changed not in (None, known)


def test_a_file_that_cannot_be_had_again_is_an_error(server: Server, http: Http, tmp_path: Path) -> None:
    url, out = f"{server.url}/file", tmp_path / "out"
    with pytest.raises(errors.TooLarge):
        http.refresh(url, out, NO_VALIDATORS, limit=SIZE - 1)
    server.page("/file", times=1)
    with pytest.raises(errors.HttpError):
        http.refresh(url, out, NO_VALIDATORS, limit=SIZE)
    server.cut("/file", 1000, times=1)
    assert http.refresh(url, out, NO_VALIDATORS, limit=SIZE) == NO_VALIDATORS and out.read_bytes() == DATA
    server.fail("/file", 304)  # that nobody asked for
    with pytest.raises(errors.HttpError):
        http.refresh(url, out, NO_VALIDATORS, limit=SIZE)


@pytest.mark.parametrize("value", ["x" * (MAX_VALIDATOR + 1), "a\tb", "caf\xe9"])
def test_a_header_that_cannot_be_sent_back_is_left_out(server: Server, http: Http, tmp_path: Path, value: str) -> None:
    server.replace("/file", b"data", headers={"ETag": value, "Last-Modified": "today"})
    assert http.refresh(f"{server.url}/file", tmp_path / "out", NO_VALIDATORS, limit=9) == Validators("", "today")


def test_a_login_of_netrc_goes_to_its_host_alone(server: Server, tmp_path: Path) -> None:
    """The entry `default` is not used, and what a URL says goes before."""
    file = tmp_path / "netrc"
    file.write_text("machine 127.0.0.1 login me password s3cret\ndefault login other password all\n")
    http = Http(environ={"NETRC": str(file)})
    url = server.url.replace("localhost", "127.0.0.1") + "/file"
    http.get([url], limit=SIZE)
    assert server.headers[-1]["authorization"] == "Basic bWU6czNjcmV0"
    http.get([url.replace("127.0.0.1", "localhost")], limit=SIZE)
    assert "authorization" not in server.headers[-1]
    assert Netrc({"NETRC": str(file)}).login("http", "files.example") is None
    file.write_text("machine files.example login me password s3cret\n")
    assert Netrc({"NETRC": str(file)}).login("https", "files.example") == ("me", "s3cret")
    assert Netrc({"NETRC": str(file)}).login("http", "files.example") is None
    assert Netrc({"NETRC": str(file)}).login("https", "other.example") is None


def test_a_login_of_netrc_does_not_go_to_where_a_redirect_leads(server: Server, tmp_path: Path) -> None:
    """The other host has a login of its own, which its user did not mean to use here."""
    file = tmp_path / "netrc"
    file.write_text("machine 127.0.0.1 login me password s3cret\n")
    server.redirect("/moved", server.url.replace("localhost", "127.0.0.1") + "/file")
    first = server.url.replace("127.0.0.1", "localhost")
    Http(environ={"NETRC": str(file)}).get([f"{first}/moved"], limit=SIZE)
    assert paths(server)[-1] == "/file" and "authorization" not in server.headers[-1]


def test_a_netrc_that_cannot_be_read_is_an_error_without_its_content(tmp_path: Path) -> None:
    file = tmp_path / "netrc"
    file.write_text("machine 127.0.0.1 login me password s3cret\nbroken s3cret\n")
    with pytest.raises(errors.HttpError) as caught:
        Netrc({"NETRC": str(file)}).login("https", "127.0.0.1")
    assert caught.value.where == str(file) and "s3cret" not in str(caught.value)
