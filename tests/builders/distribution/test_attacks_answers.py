"""Answers that are wrong or endless, and documents that expand when they are parsed."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from fpack.builders.distribution import addresses, bucket, layout_index
from fpack.builders.distribution.protocol import BlobEntry, BlobSource, Corrupt, Repository
from fpack.builders.distribution.registry import RegistryRepository
from fpack.builders.distribution.site import SiteRepository
from fpack.builders.distribution.transport import Settings, Transport
from fpack.builders.mirrors import kept_lock
from fpack.builders.streams import strict_json
from fpack.store.errors import FpackError
from support.servers.bucket import BucketServer
from support.servers.hostile_answers import ANSWERS, answering
from support.servers.repositories import MANIFEST, digest_of

LAUGHS = """<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "a key"><!ENTITY y "&x;&x;">]><a><Key>&y;</Key></a>"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_document_that_declares_entities_is_refused_in_every_encoding(encoding: str) -> None:
    with pytest.raises(Corrupt):
        bucket._xml(LAUGHS.encode(encoding), "here")
    with pytest.raises(Corrupt):
        bucket._xml(b"<!-- x --><a/>" if encoding == "utf-8" else "<a/>".encode(encoding), "here")
    assert bucket._text(bucket._xml(b"<a><Key>k</Key></a>", "here"), "Key") == "k"


def test_objects_in_objects_of_a_list_are_not_looked_at() -> None:
    """Were each searched to its end, a page of 200 kilobytes would take seconds, and one of eight megabytes hours."""
    depth = 2_000
    inner = b"<Key>p/tags/inner</Key>"
    page = b"<L><Contents><Key>p/tags/outer</Key></Contents>%s%s%s</L>"
    body = page % (b"<Contents>" * depth, inner, b"</Contents>" * depth)
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)) as url:
        environ = {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
        settings = Settings(environ, retries=0, backoff=0.0, timeout=5.0, plain_http=True)
        assert addresses._bucket("s3://bucket/p", settings).tags() == ["outer"]


@pytest.mark.parametrize(("limit", "why"), [("MAX_OBJECTS", "too long"), ("MAX_PAGES", "does not end")])
def test_a_list_of_objects_without_end_is_refused(monkeypatch: pytest.MonkeyPatch, limit: str, why: str) -> None:
    with BucketServer() as server:
        server.objects |= {f"/bucket/p/tags/{number}": b"" for number in range(6)}
        repository = addresses._bucket("s3://bucket/p", Settings(server.environ, plain_http=True))
        assert len(repository.tags()) == 6
        monkeypatch.setattr(bucket, limit, 2)
        with pytest.raises(Corrupt, match=why):
            repository.tags()


@pytest.mark.parametrize("text", [b"{}", b"[]", b"1", b'"a"'])
def test_a_document_of_too_many_values_is_refused_before_it_is_parsed(
    text: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strict_json, "MAX_VALUES", 100)
    data = b'{"manifests":[' + text + (b"," + text) * 200 + b"]}"
    with pytest.raises(Corrupt, match="not JSON"):
        layout_index.RefIndex(data, "here")
    with pytest.raises(Corrupt, match="not JSON"):
        kept_lock.parse(data, "here", 1 << 20)


WANTED = BlobEntry("application/x", digest_of(b"xyz"), 3)
# Each has the values with which it may end: what a server says is content is compared with a digest later.
ACTS: dict[str, Callable[[Repository], object]] = {
    "resolve": lambda repository: repository.resolve("1"),
    "manifest": lambda repository: repository.manifest(WANTED.digest),
    "has": lambda repository: repository.has_blob(WANTED.digest),
    "read": lambda repository: b"".join(repository.read_blob(WANTED)) == b"xyz",
    "part": lambda repository: len(b"".join(repository.read_blob(WANTED._replace(size=99), 10, 20))) == 20,
    "tags": lambda repository: (repository.tags("x"), repository.tags("x")),
    "referrers": lambda repository: repository.referrers(WANTED.digest),
    "write": lambda repository: repository.write_blob(BlobSource(WANTED.digest, 3, lambda at: iter((b"xyz"[at:],)))),
    "write a manifest": lambda repository: repository.write_manifest(b'{"schemaVersion":2}', MANIFEST, "1"),
    "delete": lambda repository: repository.delete("1"),
}
OPEN: dict[str, Callable[[str, Settings], Repository]] = {
    "registry": lambda host, settings: RegistryRepository(host, "team/app", "http", settings),
    "site": lambda host, settings: SiteRepository(Transport(host, "http", settings), "/x"),
    "bucket": lambda host, settings: addresses._bucket("s3://bucket/p", settings),
}


@pytest.mark.parametrize("kind", OPEN)
@pytest.mark.parametrize("by_proxy", [False, True], ids=["", "by a proxy"])
def test_no_answer_of_a_server_is_a_fault(kind: str, by_proxy: bool) -> None:
    for name, answer in ANSWERS.items():
        with answering(answer) as url:
            server = urlsplit(url).netloc
            host = "registry.example" if by_proxy else server
            environ = {"AWS_ENDPOINT_URL": f"http://{host}", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
            environ |= {"http_proxy": f"http://{server}"} if by_proxy else {}
            settings = Settings(environ, retries=0, backoff=0.0, timeout=5.0, plain_http=True)
            for act, ask in ACTS.items():
                try:
                    found = ask(OPEN[kind](host, settings))
                    assert act not in ("read", "manifest") or not found, f"{name}: {act}: {found}"
                except FpackError as error:
                    text = f"{error.what}{error.where}{error.why}{error.hint}"
                    assert len(text) < 2000 and text.isprintable(), f"{name}: {act}: {text[:300]!r}"
