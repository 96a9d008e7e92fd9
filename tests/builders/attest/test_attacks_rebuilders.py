"""Servers of rebuilders that attack who asks them: with endless answers, redirects, and silence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fpack.builders.attest import rebuilder_answers
from fpack.builders.attest.rebuilder_client import MAX_FAILURES, RebuilderClient, collect
from fpack.builders.attest.rebuilder_policy import Operator, RebuilderPolicy
from fpack.builders.attest.rebuilders import ENOUGH, NO_DATA, UNKNOWN, evaluate
from fpack.builders.net.http import Http
from support.servers.httpserver import Server
from support.servers.rebuilders import ATTESTATION, Key, attestation, link, listed, package, row

KEY = Key()
HELLO = package()
LIST = rebuilder_answers.list_path(HELLO)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "www"
    folder.mkdir()
    with Server(folder) as running:
        running.replace(LIST, listed(row(HELLO)))
        running.replace(ATTESTATION, attestation(link(HELLO), KEY))
        yield running


def client(**options: float) -> RebuilderClient:
    return RebuilderClient(Http(backoff=0.01, timeout=5, retries=0, environ={}, same_host=True), **options)  # type: ignore[arg-type]


def judged(server: Server, asked: RebuilderClient) -> tuple[str, str, str]:
    """Return the verdict, and what the operator of the server says of the package, and why."""
    operator = Operator("one", (server.url,), (KEY.raw,))
    collect([HELLO], [operator], asked)
    (found,) = evaluate([HELLO], RebuilderPolicy((operator,), 1), asked.documents)
    return found.verdict, found.operators[0].state, found.operators[0].why


def test_an_honest_server_is_asked_for_two_documents(server: Server) -> None:
    assert judged(server, client())[0] == ENOUGH
    assert [path for _, path, _ in server.requests] == [LIST, ATTESTATION]


@pytest.mark.parametrize("path", [LIST, ATTESTATION])
@pytest.mark.parametrize(
    "target", ["http://localhost:{port}/", "http://127.0.0.1:1/", "file:///etc/passwd", "ftp://x/"]
)
def test_a_redirect_to_elsewhere_is_not_followed(server: Server, path: str, target: str) -> None:
    server.heal()
    if path == ATTESTATION:
        server.replace(LIST, listed(row(HELLO)))
    port = server.url.rpartition(":")[2]
    server.redirect(path, target.format(port=port))
    verdict, state, why = judged(server, client())
    assert (verdict, state) == (UNKNOWN, NO_DATA) and "redirect" in why
    assert server.requests[-1][1] == path


def test_a_redirect_within_the_server_is_followed(server: Server) -> None:
    server.heal()
    server.redirect(LIST, "/moved")
    server.replace("/moved", listed(row(HELLO)))
    server.replace(ATTESTATION, attestation(link(HELLO), KEY))
    assert judged(server, client())[0] == ENOUGH


def test_an_endless_list_is_not_read_to_its_end(server: Server) -> None:
    server.heal()
    server.replace(LIST, b'{"total": 1, "records": [' + b"{}," * (8 << 20))
    verdict, state, why = judged(server, client())
    assert (verdict, state) == (UNKNOWN, NO_DATA) and "too large" in why


def test_an_endless_attestation_is_not_read_to_its_end(server: Server) -> None:
    server.heal()
    server.replace(LIST, listed(row(HELLO)))
    server.replace(ATTESTATION, b" " * (8 << 20))
    assert judged(server, client())[:2] == (UNKNOWN, NO_DATA)


def test_an_answer_in_drops_ends_when_its_time_is_over(server: Server, tmp_path: Path) -> None:
    """Each byte comes in time, but not all."""
    server.heal()
    (tmp_path / "www" / "drops").write_bytes(b" " * 100_000)
    server.redirect(LIST, "/drops")
    server.trickle("/drops", 0.05)
    verdict, state, why = judged(server, client(seconds=0.3))
    assert (verdict, state) == (UNKNOWN, NO_DATA) and "in time" in why


def test_a_web_page_is_no_data(server: Server) -> None:
    server.heal()
    server.page(LIST)
    assert judged(server, client())[1] == NO_DATA


def test_a_server_without_the_interface_is_no_data(server: Server) -> None:
    server.heal()
    verdict, state, why = judged(server, client())
    assert (verdict, state) == (UNKNOWN, NO_DATA) and "rebuilderd" in why
    assert [path for _, path, _ in server.requests] == [LIST, rebuilder_answers.old_list_path(HELLO)]


def test_a_server_that_is_down_is_asked_a_few_times_for_all_packages(server: Server) -> None:
    packages = [package(f"p{number}") for number in range(60)]
    for about in packages:
        server.fail(rebuilder_answers.list_path(about), 503)
    down = Operator("down", (server.url,), (KEY.raw,))
    asked = client()
    for about in packages:
        asked.read(server.url, rebuilder_answers.list_path(about))
    assert len(server.requests) == MAX_FAILURES
    found = evaluate(packages, RebuilderPolicy((down,), 1), asked.documents)
    assert {item.verdict for item in found} == {UNKNOWN}
    assert {item.operators[0].state for item in found} == {NO_DATA}


def test_nobody_listens() -> None:
    asked = client()
    operator = Operator("none", ("http://127.0.0.1:1",), (KEY.raw,))
    collect([HELLO], [operator], asked)
    (found,) = evaluate([HELLO], RebuilderPolicy((operator,), 1), asked.documents)
    assert found.verdict == UNKNOWN and "cannot be reached" in found.operators[0].why


def test_a_client_that_was_stopped_asks_no_more(server: Server) -> None:
    asked = client()
    asked.stop()
    assert judged(server, asked)[:2] == (UNKNOWN, NO_DATA) and not server.requests


def test_the_client_that_verbs_use_follows_no_redirect_to_elsewhere(server: Server, tmp_path: Path) -> None:
    server.heal()
    with Server(tmp_path / "www") as other:
        other.replace(LIST, listed(row(HELLO)))
        server.redirect(LIST, other.url + LIST)
        assert judged(server, RebuilderClient())[1] == NO_DATA and not other.requests
