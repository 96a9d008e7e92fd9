"""Registries that fail, lie, redirect and ask for credentials: each is survived, or gives one clear error."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.distribution import registry as registry_module
from fpack.builders.distribution.http_fields import retry_after
from fpack.builders.distribution.protocol import (
    BlobSource,
    Corrupt,
    Denied,
    NotThere,
    Repository,
    RepositoryError,
    Unavailable,
)
from fpack.builders.distribution.registry import RegistryRepository
from fpack.builders.distribution.transport import Settings
from fpack.builders.net import pace
from support.fixtures import registry as registry
from support.growth import check_linear
from support.processes.serving import free_port
from support.servers.certificates import own_certificate
from support.servers.registry import Registry, log_in, open_registry
from support.servers.repositories import MANIFEST, digest_of, entry, manifest, read, write

DATA = bytes(range(256)) * 2000  # larger than the pieces in which it is read


@pytest.fixture
def app(registry: Registry) -> RegistryRepository:
    return open_registry(registry)


def blob(registry: Registry, data: bytes = DATA) -> str:
    """Put a blob into the registry."""
    registry.stored("team/app").blobs[digest_of(data)] = data
    return digest_of(data)


# Failures that pass.


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_failure_that_passes_is_survived(registry: Registry, app: RegistryRepository, status: int) -> None:
    blob(registry)
    registry.fail("GET", status, times=2, headers={"Retry-After": "0"})
    registry.fail("HEAD", status, times=1)
    registry.fail("(POST|PUT)", status, times=1)
    assert app.has_blob(digest_of(DATA)) and read(app, entry(DATA)) == DATA
    assert write(app, b"new") and registry.stored("team/app").blobs[digest_of(b"new")] == b"new"
    app.write_manifest(manifest(app), MANIFEST, "latest")
    found = app.manifest("latest")
    assert found is not None


@pytest.mark.parametrize(
    ("status", "kind", "what"),
    [
        (401, Denied, "asks for credentials"),
        (403, Denied, "does not permit this"),
        (400, RepositoryError, "refused the request"),
        (416, RepositoryError, "refuses a range"),
        (429, Unavailable, "limits the rate of requests"),
        (500, Unavailable, "failed"),
        (503, Unavailable, "failed"),
    ],
)
def test_a_failure_that_stays_is_one_error(
    registry: Registry, app: RegistryRepository, status: int, kind: type[RepositoryError], what: str
) -> None:
    registry.fail("", status, code="SOME", message="the reason\nof it")
    for request in (
        lambda: app.resolve("latest"),
        lambda: app.manifest("latest"),
        lambda: app.has_blob(digest_of(DATA)),
        lambda: read(app, entry(DATA)),
        lambda: app.tags(),
        lambda: write(app, b"new"),
        lambda: app.write_manifest(b"{}", MANIFEST, "latest"),
    ):
        with pytest.raises(kind, match=what) as caught:
            request()
        assert caught.value.where == f"{registry.host}/team/app"
        assert str(status) in caught.value.why and "\n" not in caught.value.why
    assert "the reason" in caught.value.why


def test_attempts_are_limited(registry: Registry, app: RegistryRepository) -> None:
    registry.fail("HEAD", 503)
    with pytest.raises(Unavailable):
        app.resolve("latest")
    assert registry.count("HEAD") == 4  # the first, and three repetitions


def test_refusals_are_not_repeated(registry: Registry, app: RegistryRepository) -> None:
    registry.fail("HEAD", 403)
    with pytest.raises(Denied):
        app.resolve("latest")
    assert registry.count("HEAD") == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("3", 3.0), ("", None), ("soon", None), ("-1", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("9" * 12, None)],
)
def test_the_pause_that_a_registry_asks_for(text: str, seconds: float | None) -> None:
    assert retry_after(text) == seconds


def test_a_registry_that_is_not_there() -> None:
    with Registry() as gone:
        app = open_registry(gone)
    with pytest.raises(Unavailable, match="cannot be reached"):
        app.resolve("latest")


# Reading.


def test_an_interrupted_read_is_resumed(registry: Registry, app: RegistryRepository) -> None:
    digest = blob(registry)
    registry.truncate(f"GET .*{digest}", 200_000, times=2)
    assert read(app, entry(DATA)) == DATA
    ranges = [headers.get("range") for headers in registry.headers]
    assert ranges == [None, f"bytes=200000-{len(DATA) - 1}", f"bytes=400000-{len(DATA) - 1}"]


def test_an_interrupted_read_without_ranges_begins_again() -> None:
    with Registry(ranges=False) as registry:
        registry.truncate(f"GET .*{blob(registry)}", 200_000, times=2)
        assert read(open_registry(registry), entry(DATA)) == DATA


def test_a_refused_range_is_avoided(registry: Registry, app: RegistryRepository) -> None:
    digest = blob(registry)
    registry.truncate(f"GET .*{digest}", 200_000, times=1)
    registry.fail(f"GET .*{digest}", 416, times=1)
    assert read(app, entry(DATA)) == DATA


def test_a_read_without_progress_ends(registry: Registry, app: RegistryRepository) -> None:
    registry.truncate(f"GET .*{blob(registry)}", 100)
    with pytest.raises(Unavailable, match="cannot be reached"):
        read(app, entry(DATA))
    assert registry.count("GET") == 4


def test_a_registry_that_is_too_slow_is_an_error(
    registry: Registry, app: RegistryRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob(registry)
    registry.fault(
        "GET .*/tags/", lambda handler: handler.serve(lambda data: data + b" " * 100_000)
    )  # of more than one read
    monkeypatch.setattr(pace, "WINDOW", 0.0)
    monkeypatch.setattr(pace, "LEAST", 1 << 60)
    for request in (lambda: read(app, entry(DATA)), app.tags):
        with pytest.raises(Unavailable, match="bytes came in"):
            request()


@pytest.mark.parametrize("fault", ["corrupt", "shorten", "longer", "endless", "range"])
def test_wrong_content_is_noticed(registry: Registry, app: RegistryRepository, fault: str) -> None:
    path = f"GET .*{blob(registry)}"
    if fault == "corrupt":
        registry.corrupt(path)
    elif fault == "shorten":
        registry.shorten(path, 1000)
    elif fault == "longer":
        registry.fault(path, lambda handler: handler.serve(lambda data: data + b"more"))
    elif fault == "endless":
        registry.endless(path)
    else:
        headers = {"Content-Range": f"bytes 5-{len(DATA) - 1}/{len(DATA)}"}
        registry.fault(path, lambda handler: handler.answer(206, DATA[5:], headers))
    with pytest.raises(Corrupt):
        read(app, entry(DATA))


def test_an_endless_document_is_refused(registry: Registry, app: RegistryRepository) -> None:
    registry.endless("GET")
    for request in (lambda: app.manifest("latest"), lambda: app.tags(), lambda: app.referrers(digest_of(b""))):
        with pytest.raises(Corrupt, match="too large"):
            request()


@pytest.mark.parametrize("data", [b"[]", b"no", b"\xff", b"[" * 100_000])
def test_a_document_that_is_none_is_refused(registry: Registry, app: RegistryRepository, data: bytes) -> None:
    registry.fault("GET", lambda handler: handler.answer(200, data))
    with pytest.raises(Corrupt):
        app.manifest("latest")
    with pytest.raises(Corrupt):
        app.tags()


def test_a_manifest_that_is_also_an_index_is_refused(registry: Registry, app: RegistryRepository) -> None:
    data = json.dumps({"schemaVersion": 2, "manifests": [], "layers": []}).encode()
    registry.fault("GET", lambda handler: handler.answer(200, data))
    with pytest.raises(Corrupt, match="an image and an index"):
        app.manifest("latest")


def test_another_manifest_is_refused(registry: Registry, app: RegistryRepository) -> None:
    written = app.write_manifest(manifest(app), MANIFEST, "latest")
    registry.fault("GET", lambda handler: handler.answer(200, b"{}", {"Content-Type": MANIFEST}))
    registry.fault("HEAD", lambda handler: handler.answer(
        200, b"", {"Docker-Content-Digest": digest_of(b""), "Content-Type": MANIFEST, "Content-Length": "0"}
    ))  # fmt: skip
    for request in (app.manifest, app.resolve):
        with pytest.raises(Corrupt):
            request(written.digest)


def test_a_digest_that_the_registry_states_wrongly_is_noticed(registry: Registry, app: RegistryRepository) -> None:
    data = manifest(app)
    app.write_manifest(data, MANIFEST, "latest")
    lie = {"Docker-Content-Digest": digest_of(b"another"), "Content-Type": MANIFEST}
    registry.fault("GET .*/manifests/latest", lambda handler: handler.answer(200, data, lie))
    with pytest.raises(Corrupt, match="differs from its digest"):
        app.manifest("latest")

    def keep(handler: Any) -> None:
        handler.body()
        handler.answer(201, b"", lie)

    registry.fault("PUT .*/manifests/", keep)
    with pytest.raises(Corrupt, match="keeps another manifest"):
        app.write_manifest(data, MANIFEST, "latest")


def test_a_registry_without_headers_is_asked_for_the_manifest(registry: Registry, app: RegistryRepository) -> None:
    data = manifest(app)
    app.write_manifest(data, MANIFEST, "latest")
    registry.fault("(GET|HEAD) .*/manifests/", lambda handler: handler.answer(200, data))
    assert app.resolve("latest") == (MANIFEST, digest_of(data), len(data), "", {})


def test_missing_content(registry: Registry, app: RegistryRepository) -> None:
    with pytest.raises(NotThere, match="The blob sha256:.* does not exist"):
        read(app, entry(DATA))
    assert app.tags() == []


@pytest.mark.parametrize("link", ["https://elsewhere.example/v2/x", "http://127.0.0.1:1/v2/x"])
def test_a_list_does_not_continue_elsewhere(registry: Registry, app: RegistryRepository, link: str) -> None:
    headers = {"Link": f'<{link}>; rel="next"'}
    registry.fault("GET .*tags", lambda handler: handler.answer(200, b'{"tags":["a"]}', headers))
    with pytest.raises(Denied, match="another server"):
        app.tags()


def test_a_link_of_many_brackets_takes_no_longer_than_others(registry: Registry, app: RegistryRepository) -> None:
    def ask(size: int) -> None:
        headers = {"Link": "<a" * (size // 2)}
        registry.fault("GET .*tags", lambda handler: handler.answer(200, b'{"tags":["a"]}', headers))
        assert app.tags() == ["a"]
        registry.heal()

    check_linear(ask)


def test_a_list_that_leads_to_itself_ends(registry: Registry, app: RegistryRepository) -> None:
    headers = {"Link": '<?n=1000>; rel="next"'}
    registry.fault("GET .*tags", lambda handler: handler.answer(200, b'{"tags":["a"]}', headers))
    with pytest.raises(Corrupt, match="does not end"):
        app.tags()


# Credentials.


@pytest.mark.parametrize("bearer", [False, True])
def test_credentials_are_sent_when_they_are_asked_for(tmp_path: Path, bearer: bool) -> None:
    with Registry(user="me:secret", bearer=bearer) as registry:
        app = open_registry(registry, log_in(tmp_path, registry))
        app.write_manifest(manifest(app), MANIFEST, "latest")
        registry.revoke()  # tokens expire
        assert app.resolve("latest") is not None
        assert "authorization" not in registry.headers[0]


@pytest.mark.parametrize("bearer", [False, True])
def test_wrong_credentials_are_one_error(tmp_path: Path, bearer: bool) -> None:
    with Registry(user="me:secret", bearer=bearer) as registry:
        app = open_registry(registry, log_in(tmp_path, registry, "me:wrong"))
        with pytest.raises(Denied, match="refuses the credentials") as caught:
            app.resolve("latest")
        assert "wrong" not in str(caught.value) and f"podman login {registry.host}" in caught.value.hint
        none = open_registry(registry)
        with pytest.raises(Denied, match="asks for credentials"):
            none.resolve("latest")
        assert len(registry.requests) < 8


def test_an_unchanged_tag_takes_one_request_beside_the_token(tmp_path: Path) -> None:
    with Registry(user="me:secret", bearer=True) as registry:
        environ = log_in(tmp_path, registry)
        app = open_registry(registry, environ)
        app.write_manifest(manifest(app), MANIFEST, "latest")
        registry.clear()
        assert open_registry(registry, environ).resolve("latest") is not None
        assert [method for method, _ in registry.requests] == ["HEAD", "GET", "HEAD"]
        assert registry.requests[1][1].startswith("/token?")


def test_an_identity_token_is_exchanged(tmp_path: Path) -> None:
    with Registry(user="me:secret", bearer=True, identity="long") as registry:
        file = tmp_path / "auth.json"
        file.write_text(json.dumps({"auths": {registry.host: {"auth": "OnggOg==", "identitytoken": "long"}}}))
        app = open_registry(registry, {"REGISTRY_AUTH_FILE": str(file)})
        assert write(app, b"data")
        assert registry.count("POST", "/token") == 2 and registry.count("GET", "/token") == 0


def test_credentials_do_not_follow_a_redirect(tmp_path: Path) -> None:
    with Registry() as store, Registry(user="me:secret", blob_host=f"http://{store.host}") as registry:
        digest = blob(registry)
        store.stored("x").blobs[digest] = DATA
        app = open_registry(registry, log_in(tmp_path, registry))
        assert read(app, entry(DATA)) == DATA
        assert read(app, entry(DATA), 10, 20) == DATA[10:30]
        assert store.count("GET", "/store/") == 2
        assert all("authorization" not in headers for headers in store.headers)


def test_a_challenge_of_another_server_is_not_answered(tmp_path: Path) -> None:
    with Registry(user="me:secret", bearer=True) as thief, Registry(user="me:secret") as registry:
        registry.blob_host = f"http://{thief.host}"
        registry.stored("team/app").blobs[digest_of(DATA)] = DATA
        challenge = {"WWW-Authenticate": 'Basic realm="give me"'}
        thief.fail("GET", 401, headers=challenge)
        app = open_registry(registry, log_in(tmp_path, registry))
        with pytest.raises(Denied):
            read(app, entry(DATA))
        assert all("authorization" not in headers for headers in thief.headers)


@pytest.mark.parametrize("realm", ["http://token.example/t", "ftp://localhost/t", "not a url", "", "https://[1/"])
def test_a_token_server_that_is_not_safe_gets_nothing(tmp_path: Path, realm: str) -> None:
    with Registry(user="me:secret", bearer=True) as registry:
        registry.realm = realm or " "
        with pytest.raises(Denied):
            open_registry(registry, log_in(tmp_path, registry)).resolve("latest")


def test_credentials_do_not_go_to_a_token_server_of_another_domain(tmp_path: Path) -> None:
    with Registry(user="me:secret", bearer=True) as registry:
        registry.realm = "https://tokens.invalid/t"
        with pytest.raises(Denied, match="another domain") as caught:
            open_registry(registry, log_in(tmp_path, registry)).resolve("latest")
        assert "podman login tokens.invalid" in caught.value.hint


def test_a_registry_gets_no_token_for_the_login_of_another_one(tmp_path: Path) -> None:
    """A token of the other registry, for any of its repositories, would be sent to the one that named its server."""
    with Registry(user="me:secret", bearer=True) as other, Registry(user="me:known", bearer=True) as thief:
        realm = f"http://{other.host.replace('localhost', '127.0.0.1')}/token"
        thief.realm = realm
        environ = log_in(tmp_path, thief)
        file = Path(environ["REGISTRY_AUTH_FILE"])
        entries = json.loads(file.read_text())
        login = base64.b64encode(b"me:secret").decode()
        entries["auths"][realm.split("/")[2]] = {"auth": login}
        file.write_text(json.dumps(entries))
        with pytest.raises(Denied, match="another domain"):
            open_registry(thief, environ).resolve("latest")
        assert not other.requests
        # With the same login for both, the registry could have asked for the password itself.
        entries["auths"][thief.host] = {"auth": login}
        file.write_text(json.dumps(entries))
        with pytest.raises(Denied, match="refuses the credentials"):
            open_registry(thief, environ).resolve("latest")
        assert other.count("GET", "/token") == 1


def test_a_list_that_is_too_long_is_refused(
    registry: Registry, app: RegistryRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.page = 2
    registry.stored("team/app").tags.update({f"tag-{number}": digest_of(b"x") for number in range(20)})
    assert len(app.tags()) == 20
    monkeypatch.setattr(registry_module, "MAX_TAGS", 19)
    with pytest.raises(Corrupt, match="too long") as caught:
        app.tags()
    assert caught.value.why == "the limit is 19 tags"
    monkeypatch.setattr(registry_module, "MAX_LIST", 100)
    with pytest.raises(Corrupt, match="too long") as caught:
        app.tags()
    assert caught.value.why == "the limit is 100 bytes"


# TLS.


def test_a_certificate_that_nobody_signed_is_refused(tmp_path: Path) -> None:
    with Registry(certificate=own_certificate(tmp_path)) as registry:
        with pytest.raises(Unavailable, match="certificate was not accepted") as caught:
            open_registry(registry).resolve("latest")
        assert f"certs.d/{registry.host}/ca.crt" in caught.value.hint
        directory = tmp_path / "config/containers/certs.d" / registry.host
        directory.mkdir(parents=True)
        (directory / "ca.crt").write_bytes((tmp_path / "server.pem.crt").read_bytes())
        environ = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "REGISTRY_AUTH_FILE": "/nonexistent"}
        assert open_registry(registry, environ).resolve("latest") is None


def test_tls_is_not_left_out(registry: Registry) -> None:
    from fpack.builders.distribution.addresses import open_repository

    with pytest.raises(Unavailable) as caught:
        open_repository(f"{registry.host}/team/app").resolve("latest")
    assert "--plain-http" in caught.value.hint and registry.requests == []
    plain = open_repository(f"{registry.host}/team/app", plain_http=True)
    assert plain.resolve("latest") is None
    registry.fail("HEAD", 400)  # as servers of TLS answer
    with pytest.raises(RepositoryError) as refused:
        plain.resolve("latest")
    assert "leave out --plain-http" in refused.value.hint


@pytest.mark.parametrize(
    ("address", "server"),
    [
        ("oci://127.0.0.1:PORT/team/app", "registry"),
        ("http://127.0.0.1:PORT/team/app", "web server"),
        ("s3://bucket/app", "bucket's server"),
    ],
)
def test_a_server_is_called_what_it_is(address: str, server: str) -> None:
    from fpack.builders.distribution.addresses import open_repository

    def at(port: int) -> Repository:
        environ = {"HOME": "/nonexistent", "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
        return open_repository(address.replace("PORT", str(port)), plain_http=True, environ=environ, patient=False)

    with Registry() as registry:
        registry.fail("", 400)
        with pytest.raises(RepositoryError, match=f"The {server} refused the request"):
            at(registry.port).resolve("latest")
    with pytest.raises(Unavailable, match=f"The {server} cannot be reached"):
        at(free_port()).resolve("latest")


# Writing.


def source(data: bytes, *mounts: str) -> BlobSource:
    return BlobSource(digest_of(data), len(data), lambda offset: iter((data[offset:],)), mounts)


def test_a_blob_is_sent_in_one_request(registry: Registry, app: RegistryRepository) -> None:
    assert write(app, DATA)
    assert [method for method, _ in registry.requests] == ["HEAD", "POST", "PUT"]
    assert registry.received == len(DATA)


def test_a_blob_is_mounted(registry: Registry, app: RegistryRepository) -> None:
    registry.stored("team/other").blobs[digest_of(DATA)] = DATA
    assert not app.write_blob(source(DATA, "team/none", "team/other"))
    assert registry.stored("team/app").blobs[digest_of(DATA)] == DATA and registry.received == 0
    assert registry.uploads == {}  # the one that the first attempt began was cancelled


@pytest.mark.parametrize("status", [None, 403, 405])
def test_a_blob_that_cannot_be_mounted_is_sent(registry: Registry, app: RegistryRepository, status: int | None) -> None:
    if status is not None:
        registry.fail("POST .*mount=", status)
    assert app.write_blob(source(DATA, "team/other"))
    assert registry.stored("team/app").blobs[digest_of(DATA)] == DATA


def test_an_interrupted_upload_goes_on_where_it_broke(registry: Registry, app: RegistryRepository) -> None:
    registry.drop("PUT", 300_000, times=1)
    assert write(app, DATA)
    assert registry.stored("team/app").blobs[digest_of(DATA)] == DATA
    assert registry.received < len(DATA)  # the rest alone
    assert registry.count("PATCH") == 1


def test_an_upload_that_the_registry_did_not_keep_begins_again_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fpack.builders.distribution.uploads.PIECE", 100_000)
    with Registry(resumes=False) as registry:
        registry.drop("PUT", 300_000, times=1)
        registry.drop("PATCH", 50_000, times=2)
        assert write(open_registry(registry), DATA)
        assert registry.stored("team/app").blobs[digest_of(DATA)] == DATA


def test_pieces_are_as_large_as_the_registry_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fpack.builders.distribution.uploads.PIECE", 100_000)
    with Registry() as registry:
        registry.drop("PUT", 0, times=1)
        registry.fault(
            "POST",
            lambda handler: handler.answer(
                202, b"", {"Location": "/v2/team/app/blobs/uploads/n1", "OCI-Chunk-Min-Length": "400000"}
            ),
        )
        registry.uploads["n1"] = bytearray()
        assert write(open_registry(registry), DATA)
        sizes = [
            headers["content-length"]
            for (method, _), headers in zip(registry.requests, registry.headers, strict=True)
            if method == "PATCH"
        ]
        assert sizes == ["400000", str(len(DATA) - 400_000)]


def test_a_forgotten_upload_begins_again(registry: Registry, app: RegistryRepository) -> None:
    registry.forget("PUT", times=1)
    assert write(app, DATA)
    assert registry.stored("team/app").blobs[digest_of(DATA)] == DATA


def test_a_registry_that_forgets_every_upload_is_one_error(registry: Registry, app: RegistryRepository) -> None:
    registry.forget("(PUT|PATCH)")
    with pytest.raises(Unavailable, match="does not keep an upload"):
        write(app, DATA)
    assert registry.count("POST") < 10


def test_a_lost_answer_is_not_a_second_upload(registry: Registry, app: RegistryRepository) -> None:
    def act(handler) -> None:  # type: ignore[no-untyped-def]
        handler.body()
        registry.stored("team/app").blobs[digest_of(DATA)] = DATA
        handler.close_connection = True

    registry.fault("PUT", act, times=1)
    assert write(app, DATA)
    assert registry.count("PUT") == 1 and registry.count("POST") == 1


def test_a_registry_that_refuses_the_content(registry: Registry, app: RegistryRepository) -> None:
    registry.fail("PUT", 413)
    with pytest.raises(RepositoryError, match="upload of this size"):
        write(app, DATA)


def test_the_pieces_of_an_upload_do_not_leave_for_plain_http(registry: Registry, app: RegistryRepository) -> None:
    registry.fault(
        "POST", lambda handler: handler.answer(202, b"", {"Location": "http://thief.example/v2/x/blobs/uploads/1"})
    )
    with pytest.raises(Denied, match="does not ask the server"):
        write(app, DATA)


@pytest.mark.parametrize("where", ["http://[", "//[", "http://localhost:port/x"])
def test_a_malformed_url_of_a_registry_is_one_error(registry: Registry, where: str) -> None:
    app = open_registry(registry, retries=0)
    blob(registry)
    registry.fault("POST", lambda handler: handler.answer(202, b"", {"Location": where}))
    registry.redirect("GET .*/blobs/", where)
    registry.fault("tags/list", lambda handler: handler.answer(200, b"{}", {"Link": f'<{where}>; rel="next"'}))
    for ask in (lambda: write(app, b"new"), lambda: read(app, entry(DATA)), app.tags):
        with pytest.raises(RepositoryError) as caught:
            ask()
        assert str(caught.value)


def test_the_list_of_referrers_is_kept_by_the_client() -> None:
    with Registry(api=False) as registry:
        app = open_registry(registry)
        subject = app.write_manifest(manifest(app), MANIFEST, "latest")
        data = manifest(app, b"sbom", artifactType="application/sbom", subject=subject.value())
        written = app.write_manifest(data, MANIFEST)
        tag = subject.digest.replace(":", "-")
        assert [found.digest for found in app.referrers(subject.digest)] == [written.digest]
        assert app.tags("sha256-") == [tag]
        registry.clear()
        app.write_manifest(data, MANIFEST)
        assert registry.count("PUT") == 1  # the list has it
        assert app.delete(written.digest) and app.referrers(subject.digest) == []


def test_a_list_that_another_client_replaced_is_updated_again() -> None:
    with Registry(api=False) as registry:
        app = open_registry(registry)
        subject = app.write_manifest(manifest(app), MANIFEST, "latest")
        other = manifest(app, b"vex", artifactType="application/vex", subject=subject.value())
        mine = manifest(app, b"sbom", artifactType="application/sbom", subject=subject.value())
        fallback = subject.digest.replace(":", "-")
        index = b'{"schemaVersion":2,"manifests":[%s]}' % json.dumps(entry(other, MANIFEST).value()).encode()

        def act(handler) -> None:  # type: ignore[no-untyped-def]
            handler.serve()  # and then another client, which read before, writes its list
            stored = registry.stored("team/app")
            stored.manifests[digest_of(index)] = ("application/vnd.oci.image.index.v1+json", index)
            stored.tags[fallback] = digest_of(index)

        registry.fault(f"PUT .*{fallback}", act, times=1)
        app.write_manifest(mine, MANIFEST)
        listed = {found.digest for found in app.referrers(subject.digest)}
        assert listed == {digest_of(mine), digest_of(other)}


def test_a_registry_that_does_not_delete(registry: Registry, app: RegistryRepository) -> None:
    app.write_manifest(manifest(app), MANIFEST, "latest")
    registry.fail("DELETE", 405, code="UNSUPPORTED")
    with pytest.raises(RepositoryError, match="does not delete"):
        app.delete("latest")
    assert not app.delete("none/such")


def test_a_registry_that_fails_for_a_blob_as_a_manifest(registry: Registry, app: RegistryRepository) -> None:
    # docker-registry does. It is asked once, without pauses for a failure that may pass.
    digest = blob(registry)
    registry.fail(f"GET .*/manifests/{digest}", 500, times=None)
    registry.clear()
    assert app.delete(digest) and not app.has_blob(digest)
    assert registry.count("GET", f"/manifests/{digest}") == 1
    # A manifest whose registry fails for a moment is deleted all the same.
    written = app.write_manifest(manifest(app), MANIFEST, "latest")
    registry.fail(f"GET .*/manifests/{written.digest}", 500, times=1)
    assert app.delete(written.digest) and app.resolve("latest") is None


def test_a_proxy_is_used_where_the_environment_names_one(registry: Registry) -> None:
    environ = {"http_proxy": f"http://{registry.host}", "no_proxy": "localhost"}
    blob(registry)
    far = RegistryRepository("registry.invalid", "team/app", "http", Settings(environ, retries=0))
    assert read(far, entry(DATA)) == DATA
    assert registry.requests == [("GET", f"http://registry.invalid/v2/team/app/blobs/{digest_of(DATA)}")]
    registry.clear()
    near = RegistryRepository(registry.host, "team/app", "http", Settings(environ, retries=0))
    assert read(near, entry(DATA)) == DATA and registry.requests[0][1].startswith("/v2/")


def test_a_question_without_a_proxy_does_not_load_urllib3(registry: Registry) -> None:
    program = """if True:
        import sys
        from fpack.builders.distribution.registry import RegistryRepository
        from fpack.builders.distribution.transport import Settings
        assert RegistryRepository(sys.argv[1], "team/app", "http", Settings({})).resolve("1") is None
        assert "urllib3" not in sys.modules, "urllib3 costs a tenth of an unchanged push"
    """
    subprocess.run([sys.executable, "-c", program, registry.host], check=True)


def test_a_manifest_with_too_many_referrers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of a list may have millions of entries together."""
    with Registry(api=True) as server:
        app = open_registry(server)
        subject = app.write_manifest(manifest(app), MANIFEST)
        for number in range(3):
            about = manifest(app, subject=subject.value(), annotations={"number": str(number)})
            app.write_manifest(about, MANIFEST)
        assert len(app.referrers(subject.digest)) == 3
        monkeypatch.setattr(registry_module, "MAX_REFERRERS", 2)
        with pytest.raises(Corrupt, match="too many documents") as caught:
            app.referrers(subject.digest)
        assert "delete" in caught.value.hint
