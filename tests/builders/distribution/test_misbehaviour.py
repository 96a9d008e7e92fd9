"""Each way in which a registry fails, for a push, a pull and a cache: it is survived, or is one error that helps."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
from fpack.builders.distribution.protocol import NotThere, Repository
from fpack.builders.distribution.pusher import PushedImage, Pusher
from fpack.builders.distribution.pusher import manifest as pushed_manifest
from fpack.builders.distribution.registry import RegistryRepository
from fpack.builders.distribution.transport import Settings
from fpack.store.errors import FpackError
from support.servers.certificates import own_certificate
from support.servers.registry import Registry, log_in
from support.servers.repositories import CONFIG, MANIFEST, digest_of, entry, read
from support.stores.caches import Graph, machine

LAYERS = tuple(bytes([number]) * 3000 for number in range(1, 5))
BLOBS = {digest_of(blob): blob for blob in (b"{}", *LAYERS)}
VALUE = {
    "schemaVersion": 2,
    "mediaType": MANIFEST,
    "config": entry(b"{}", CONFIG).value(),
    "layers": [entry(layer).value() for layer in LAYERS],
}
APP = pushed_manifest(
    json.dumps(VALUE).encode(), MANIFEST, lambda digest: lambda offset: iter((BLOBS[digest][offset:],))
)
SURVIVED = ""
LATER = "try again later"


class Fault(NamedTuple):
    """A fault. push, pull: a pattern of the error, or SURVIVED. hint: a part of its hint."""

    begin: Callable[[Registry], None]
    push: str = SURVIVED
    pull: str = SURVIVED
    hint: str = ""


def failing(status: int, times: int | None, pattern: str = "") -> Callable[[Registry], None]:
    return lambda registry: registry.fail(pattern, status, times=times, headers={"Retry-After": "0"})


def stray(registry: Registry, target: str = "https://[") -> None:
    registry.redirect("(GET|PUT|POST) ", target)


PASSING = {f"{status} passes": Fault(failing(status, 2)) for status in (408, 429, 500, 502, 503, 504)}
LASTING = {
    f"{status} lasts": Fault(
        failing(status, None), *(2 * ["limits the rate" if status == 429 else f"The registry failed.*{status}"]), LATER
    )
    for status in (408, 429, 500, 502, 503, 504)
}
FAULTS = {
    **PASSING,
    **LASTING,
    "401 without a challenge": Fault(failing(401, None), *(2 * ["asks for credentials"]), "podman login localhost"),
    "403": Fault(failing(403, None), *(2 * ["does not permit this"]), "podman login localhost"),
    "404 for uploads": Fault(failing(404, None, "POST"), "does not have this.*404"),
    "404 for blobs": Fault(failing(404, None, "GET .*/blobs/"), SURVIVED, "The blob sha256:[0-9a-f]+ does not exist"),
    "416": Fault(failing(416, None, "(GET|POST) "), *(2 * ["refuses a range.*416"])),
    "an answer that breaks off once": Fault(lambda registry: registry.truncate("GET .*/blobs/", 1000, times=1)),
    "answers that break off": Fault(
        lambda registry: registry.truncate("GET .*/blobs/", 0), SURVIVED, "ended early: [0-9]+ more bytes"
    ),
    "blobs that are cut": Fault(
        lambda registry: registry.shorten("GET .*/blobs/", 1), SURVIVED, "differs from its size.*instead of"
    ),
    "blobs with other bytes": Fault(
        lambda registry: registry.corrupt("GET .*/blobs/"), SURVIVED,
        "The blob sha256:[0-9a-f]+ differs from its digest: .*sha256:",
    ),
    "a manifest with other bytes": Fault(
        lambda registry: registry.corrupt("GET .*/manifests/"), SURVIVED,
        "The manifest sha256:[0-9a-f]+ differs from its digest",
    ),
    "an upload that breaks once": Fault(lambda registry: registry.drop("PUT .*/blobs/", 100, times=1)),
    "uploads that break": Fault(lambda registry: registry.drop("(PUT|PATCH) .*/blobs/", 0), "cannot be reached"),
    "an upload that is forgotten": Fault(lambda registry: registry.forget("PUT .*/blobs/", times=1)),
    "uploads that are forgotten": Fault(
        lambda registry: registry.forget("(PUT|PATCH) .*/blobs/"), "does not keep an upload", "", LATER
    ),
    "uploads that are too large": Fault(failing(413, None, "(PUT|PATCH) .*/blobs/"), "refuses an upload of this size"),
    "a redirect without TLS to another machine": Fault(
        partial(stray, target="http://other.example/x"),
        *(2 * ["does not ask the server that the registry leads to.*other.example"]),
    ),
    "a redirect to nowhere": Fault(stray, *(2 * ["leads to a malformed URL"])),
    "redirects without an end": Fault(
        lambda registry: registry.redirect("GET .*/(blobs|manifests)/", "/v2/team/app/blobs/x"), SURVIVED,
        "redirects too often",
    ),
}  # fmt: skip


def opened(registry: Registry, environ: Mapping[str, str]) -> RegistryRepository:
    settings = Settings({"REGISTRY_AUTH_FILE": "/nonexistent", **environ}, retries=3, backoff=0.0, timeout=10.0)
    return RegistryRepository(registry.host, "team/app", registry.scheme, settings)


def push(repository: Repository) -> None:
    assert Pusher(repository, workers=1).push(PushedImage(APP), "1.0").digest == APP.digest


def pull(repository: Repository) -> None:
    head = repository.resolve("1.0")
    document = repository.manifest("1.0" if head is None else head.digest)
    if document is None:
        raise NotThere("There is no image", where=repository.name)
    assert document.data == APP.data
    for digest, blob in BLOBS.items():
        assert read(repository, entry(blob)._replace(digest=digest)) == blob


def check(act: Callable[[], None], expected: str, fault: Fault) -> None:
    """Run a command, which survives, or ends with one error that names the registry, the cause and what to do."""
    if expected == SURVIVED:
        act()
        return
    with pytest.raises(FpackError) as caught:
        act()
    error = caught.value
    assert re.search(expected, f"{error.what}: {error.why}", re.DOTALL), f"{error.what}: {error.why}"
    assert error.where.split("://")[-1].startswith("localhost:") and error.why
    assert fault.hint in error.hint and "\n" not in f"{error.what}{error.why}{error.hint}"
    assert "secret" not in f"{error}{error.hint}"


@pytest.mark.parametrize("name", FAULTS)
def test_a_push(name: str) -> None:
    fault = FAULTS[name]
    with Registry() as registry:
        fault.begin(registry)
        check(lambda: push(opened(registry, {})), fault.push, fault)
        registry.heal()
        push(opened(registry, {}))
        assert registry.stored("team/app").blobs == BLOBS


@pytest.mark.parametrize("name", FAULTS)
def test_a_pull(name: str) -> None:
    fault = FAULTS[name]
    with Registry() as registry:
        push(opened(registry, {}))
        fault.begin(registry)
        check(lambda: pull(opened(registry, {})), fault.pull, fault)
        registry.heal()
        pull(opened(registry, {}))


@pytest.mark.parametrize("bearer", [False, True], ids=["password", "token"])
@pytest.mark.parametrize("login", ["", "me:wrong", "other:secret"])
@pytest.mark.parametrize("act", [push, pull])
def test_wrong_credentials(tmp_path: Path, bearer: bool, login: str, act: Callable[[Repository], None]) -> None:
    with Registry(user="me:secret", bearer=bearer) as registry:
        environ = log_in(tmp_path, registry, login) if login else {}
        expected = "refuses the credentials" if login else "asks for credentials|refuses the credentials"
        fault = Fault(lambda registry: None, hint="podman login localhost")
        check(lambda: act(opened(registry, environ)), expected, fault)
        push(opened(registry, log_in(tmp_path, registry)))
        act(opened(registry, log_in(tmp_path, registry)))


@pytest.mark.parametrize("act", [push, pull])
def test_an_untrusted_certificate(tmp_path: Path, act: Callable[[Repository], None]) -> None:
    with Registry(certificate=own_certificate(tmp_path)) as registry:
        fault = Fault(lambda registry: None, hint=f"certs.d/{registry.host}/ca.crt")
        check(lambda: act(opened(registry, {})), "certificate was not accepted", fault)
        assert not registry.requests


# Caches: what one does not give is built, with a warning, and the next command asks again.


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Registry, Graph, Path]]:
    """Yield a registry that is a cache of three paths."""
    folder = tmp_path_factory.mktemp("cache")
    graph = Graph()
    low = graph.add("low", "the lowest")
    graph.add("top", "the highest", [graph.add("middle", "between", [low])])
    with Registry() as registry:
        with machine(folder / "producer", opened(registry, {})) as producer:
            producer.push(producer.build(graph, *_outputs(graph), caches=()))
        yield registry, graph, folder


def _outputs(graph: Graph) -> list[object]:
    from fpack.store.derivation import Output

    return [Output(list(graph.bodies)[-1])]


@pytest.mark.parametrize("name", FAULTS)
def test_a_cache(filled: tuple[Registry, Graph, Path], name: str, tmp_path: Path) -> None:
    registry, graph, folder = filled
    FAULTS[name].begin(registry)
    try:
        with machine(tmp_path / "reader", opened(registry, {})) as reader:
            (path,) = reader.build(graph, *_outputs(graph))
            for one in reader.store.closure([path]):
                reader.store.tree(one).check()
            # Other content is never taken, and what is not there is built.
            assert reader.builder.built or FAULTS[name].pull == SURVIVED or "manifest" in name
            assert len(reader.warnings) <= 1
            assert all(registry.host in warning and "Traceback" not in warning for warning in reader.warnings)
    finally:
        registry.heal()
        shutil.rmtree(tmp_path / "reader", onerror=lambda call, where, error: os.chmod(os.path.dirname(where), 0o700))
