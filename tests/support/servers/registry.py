"""An OCI registry in this process, on loopback, that counts requests and misbehaves when told to.

    with Registry() as registry:
        registry.fail("PUT .*/blobs/uploads/", 503, times=2)
        ... write to f"{registry.host}/team/app" ...
        assert registry.count("PUT", "/blobs/uploads/") == 3

Faults are for requests whose `METHOD PATH` a pattern matches, and hold for `times` requests (None: for all of them).
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from fpack.builders.distribution.registry import RegistryRepository
from fpack.builders.distribution.transport import Settings
from support.servers.httpserver import LoopbackServer

INDEX = "application/vnd.oci.image.index.v1+json"
_PATH = re.compile(r"/v2/(?P<name>[a-z0-9/._-]+)/(?P<kind>blobs/uploads|blobs|manifests|tags|referrers)/(?P<rest>.*)\Z")


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def log_in(path: Path, registry: Registry, user: str = "") -> dict[str, str]:
    """Write a file of credentials, and return the variables that name it. user: NAME:PASSWORD."""
    auth = base64.b64encode((user or registry.user).encode()).decode()
    file = path / "auth.json"
    path.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"auths": {registry.host: {"auth": auth}}}))
    return {"REGISTRY_AUTH_FILE": str(file)}


def open_registry(
    registry: Registry, environ: Mapping[str, str] | None = None, name: str = "team/app", retries: int = 3
) -> RegistryRepository:
    """Open a repository without pauses between attempts. environ: with the credentials."""
    given = {"REGISTRY_AUTH_FILE": "/nonexistent"} if environ is None else environ
    settings = Settings(given, retries=retries, backoff=0.0, timeout=10.0)
    return RegistryRepository(registry.host, name, registry.scheme, settings)


@dataclass
class Stored:
    """A repository of the registry."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


@dataclass
class _Fault:
    pattern: re.Pattern[str]
    act: Callable[[_Handler], None]
    times: int | None


class Registry(LoopbackServer):
    """A running registry; use it as a context manager.

    api: answer queries of referrers. ranges: serve parts of blobs. page: the most tags of an answer. user: "" for a
    registry without credentials, else NAME:PASSWORD. bearer: ask for tokens, not for the password itself. blob_host:
    the URL of a server to which requests of blobs are redirected. resumes: keep what interrupted uploads sent. mounts:
    mount blobs of other repositories. identity: an identity token that the token server takes. certificate: for TLS.
    """

    def __init__(
        self,
        *,
        api: bool = True,
        ranges: bool = True,
        page: int = 1000,
        user: str = "",
        bearer: bool = False,
        blob_host: str = "",
        resumes: bool = True,
        mounts: bool = True,
        identity: str = "",
        certificate: Path | None = None,
    ) -> None:
        self.api, self.ranges, self.page, self.user, self.bearer = api, ranges, page, user, bearer
        self.blob_host, self.resumes, self.mounts, self.identity = blob_host, resumes, mounts, identity
        self.realm = ""  # the token server, if it is not this one
        self.repositories: dict[str, Stored] = {}
        self.uploads: dict[str, bytearray] = {}
        self.requests: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.received = 0  # bytes of blobs
        self._faults: list[_Fault] = []
        self._tokens: dict[str, list[str]] = {}
        self.lock = threading.RLock()
        self._number = 0
        super().__init__(_Handler, certificate)

    @property
    def host(self) -> str:
        """The host and port."""
        return f"localhost:{self.port}"

    def count(self, method: str, part: str = "") -> int:
        """Return the number of requests with a method, and a part of a path."""
        return sum(1 for found, path in self.requests if found == method and part in path)

    def clear(self) -> None:
        """Forget the requests."""
        self.requests.clear()
        self.headers.clear()
        self.received = 0

    def stored(self, name: str) -> Stored:
        """Return a repository."""
        with self.lock:
            return self.repositories.setdefault(name, Stored())

    # Faults.

    def fault(self, pattern: str, act: Callable[[_Handler], None], times: int | None = None) -> None:
        """Let a function answer."""
        with self.lock:
            self._faults.append(_Fault(re.compile(pattern), act, times))

    def fail(
        self, pattern: str, status: int, *, times: int | None = None, headers: dict[str, str] | None = None,
        code: str = "", message: str = "",
    ) -> None:  # fmt: skip
        """Answer with an error status."""
        body = json.dumps({"errors": [{"code": code, "message": message}]}).encode() if code else b"no\n"
        self.fault(pattern, lambda handler: handler.refuse(status, body, headers or {}), times)

    def corrupt(self, pattern: str, *, times: int | None = None) -> None:
        """Change a byte of the bodies."""

        def change(data: bytes) -> bytes:
            return data[:-1] + bytes([data[-1] ^ 1]) if data else data

        self.fault(pattern, lambda handler: handler.serve(change), times)

    def truncate(self, pattern: str, after: int, *, times: int | None = None) -> None:
        """Announce whole bodies, send `after` bytes of each, and end the connection."""
        self.fault(pattern, lambda handler: handler.serve(stop=after), times)

    def shorten(self, pattern: str, size: int, *, times: int | None = None) -> None:
        """Serve only the first bytes, and announce no more."""
        self.fault(pattern, lambda handler: handler.serve(lambda data: data[:size]), times)

    def endless(self, pattern: str, *, times: int | None = None) -> None:
        """Send a body without its size that does not end before the client closes the connection."""
        self.fault(pattern, lambda handler: handler.pour(), times)

    def redirect(self, pattern: str, target: str, status: int = 307, *, times: int | None = None) -> None:
        """Answer with a redirect."""
        self.fault(pattern, lambda handler: handler.refuse(status, b"", {"Location": target}), times)

    def drop(self, pattern: str, after: int, *, times: int | None = None) -> None:
        """Take `after` bytes of an upload, and break the connection."""
        self.fault(pattern, lambda handler: handler.drop(after), times)

    def forget(self, pattern: str, *, times: int | None = None) -> None:
        """Forget all uploads before such a request is answered."""

        def act(handler: _Handler) -> None:
            self.uploads.clear()
            handler.serve()

        self.fault(pattern, act, times)

    def heal(self) -> None:
        """Forget all faults."""
        with self.lock:
            self._faults.clear()

    def next_fault(self, request: str) -> Callable[[_Handler], None] | None:
        """Return the fault of a request."""
        with self.lock:
            for fault in self._faults:
                if fault.times != 0 and fault.pattern.search(request):
                    if fault.times is not None:
                        fault.times -= 1
                    return fault.act
        return None

    def number(self) -> str:
        """Return a new name."""
        with self.lock:
            self._number += 1
            return f"n{self._number}"

    def issue(self, scopes: list[str]) -> str:
        """Return a new token for scopes."""
        token = f"token-{self.number()}"
        self._tokens[token] = scopes
        return token

    def revoke(self) -> None:
        """Forget all tokens."""
        self._tokens.clear()

    def permits(self, authorization: str, name: str, action: str) -> bool:
        """Return whether a request may be answered."""
        if not self.user:
            return True
        if not self.bearer:
            return authorization == f"Basic {base64.b64encode(self.user.encode()).decode()}"
        scopes = self._tokens.get(authorization.removeprefix("Bearer "), [])
        return any(
            scope.startswith(f"repository:{name}:") and action in scope.rpartition(":")[2].split(",")
            for scope in scopes
        )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    disable_nagle_algorithm = True

    @property
    def owner(self) -> Registry:
        owner: Registry = self.server.owner  # type: ignore[attr-defined]
        return owner

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _handle(self) -> None:
        self._change: Callable[[bytes], bytes] | None = None
        self._stop: int | None = None
        self._read = False
        with self.owner.lock:
            self.owner.requests.append((self.command, self.path))
            self.owner.headers.append({name.lower(): value for name, value in self.headers.items()})
        fault = self.owner.next_fault(f"{self.command} {self.path}")
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            (fault or _Handler.serve)(self)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _handle

    # Answers.

    def refuse(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        """Send an answer that does not depend on the request, whose body is not read if it is large."""
        if int(self.headers.get("Content-Length") or 0) <= 1 << 16:
            self.body()
        else:
            self.close_connection = True
        self.answer(status, body, headers)

    def answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        """Send a whole answer."""
        if not self._read and int(self.headers.get("Content-Length") or 0):
            self.close_connection = True
        if self._change is not None:
            body = self._change(body)
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status not in (204, 304) and "Content-Length" not in (headers or {}):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD" or status in (204, 304):
            return
        if self._stop is not None and self._stop < len(body):
            self.wfile.write(body[: self._stop])
            self.wfile.flush()
            self.close_connection = True
            return
        self.wfile.write(body)

    def error(self, status: int, code: str) -> None:
        """Send an error as the specification describes it."""
        self.answer(status, json.dumps({"errors": [{"code": code, "message": code.lower()}]}).encode())

    def pour(self) -> None:
        """Send a body without an end."""
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.end_headers()
        self.close_connection = True
        for _ in range(10_000):
            self.wfile.write(bytes(1 << 16))

    def body(self) -> bytes:
        """Return the body of the request."""
        self._read = True
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def drop(self, after: int) -> None:
        """Take a part of the body of an upload, and reset the connection."""
        data = self.rfile.read(min(after, int(self.headers.get("Content-Length") or 0)))
        session = urlsplit(self.path).path.rpartition("/")[2]
        if self.owner.resumes and session in self.owner.uploads:
            self.owner.uploads[session] += data
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.connection.close()

    # The registry.

    def serve(self, change: Callable[[bytes], bytes] | None = None, stop: int | None = None) -> None:
        """Answer as a registry does. change, stop: of the body, see the faults."""
        self._change, self._stop = change, stop
        parts = urlsplit(self.path)
        query = parse_qs(parts.query, keep_blank_values=True)
        if parts.path == "/token":
            self.token(query)
            return
        if parts.path == "/v2/":
            self.answer(200, b"{}")
            return
        if parts.path.startswith("/store/"):
            self.blob_body(self.find(parts.path.rpartition("/")[2]))
            return
        match = _PATH.match(unquote(parts.path))
        if match is None:
            self.error(404, "NOT_FOUND")
            return
        name, kind, rest = match["name"], match["kind"], match["rest"]
        action = {"GET": "pull", "HEAD": "pull", "DELETE": "delete"}.get(self.command, "push")
        if kind == "blobs/uploads":
            action = "push"
        if not self.owner.permits(self.headers.get("Authorization") or "", name, action):
            self.challenge(name, action)
            return
        with self.owner.lock:
            known = self.owner.repositories.get(name)
        handler: Any = getattr(self, f"do_{kind.replace('/', '_')}")
        handler(name, known if known is not None else Stored(), rest, query)

    def challenge(self, name: str, action: str) -> None:
        """Ask for credentials."""
        realm = self.owner.realm or f"{self.owner.scheme}://{self.owner.host}/token"
        text = f'Bearer realm="{realm}",service="fake",scope="repository:{name}:pull,{action}"'
        self.answer(
            401,
            b'{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}',
            {"WWW-Authenticate": text if self.owner.bearer else 'Basic realm="fake"'},
        )

    def token(self, query: dict[str, list[str]]) -> None:
        """Issue a token."""
        if self.command == "POST":
            form = parse_qs(self.body().decode())
            good = bool(self.owner.identity) and form.get("refresh_token") == [self.owner.identity]
            scopes = form.get("scope", [""])[0].split()
        else:
            wanted = f"Basic {base64.b64encode(self.owner.user.encode()).decode()}"
            good, scopes = self.headers.get("Authorization") == wanted, query.get("scope", [])
        if not good:
            self.answer(401, b'{"errors":[{"code":"UNAUTHORIZED","message":"incorrect username or password"}]}')
            return
        self.answer(200, json.dumps({"token": self.owner.issue(scopes), "expires_in": 300}).encode())

    def find(self, digest: str) -> bytes | None:
        """Return a blob of any repository."""
        for known in self.owner.repositories.values():
            if digest in known.blobs:
                return known.blobs[digest]
        return None

    def do_blobs(self, name: str, known: Stored, digest: str, query: dict[str, list[str]]) -> None:
        if self.command == "DELETE":
            gone = known.blobs.pop(digest, None)
            self.answer(202) if gone is not None else self.error(404, "BLOB_UNKNOWN")
        elif digest not in known.blobs:
            self.error(404, "BLOB_UNKNOWN")
        elif self.owner.blob_host and self.command == "GET":
            self.answer(307, b"", {"Location": f"{self.owner.blob_host}/store/{digest}"})
        else:
            self.blob_body(known.blobs[digest])

    def blob_body(self, data: bytes | None) -> None:
        """Send a blob or a part of it."""
        if data is None:
            self.error(404, "BLOB_UNKNOWN")
            return
        headers = {"Content-Type": "application/octet-stream", "Docker-Content-Digest": digest_of(data)}
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")) if self.owner.ranges else None
        if match is None or self.command == "HEAD":
            self.answer(200, data, headers | ({"Content-Length": str(len(data))} if self.command == "HEAD" else {}))
            return
        start, end = int(match[1]), min(int(match[2]) + 1 if match[2] else len(data), len(data))
        if start >= len(data):
            self.answer(416, b"", {"Content-Range": f"bytes */{len(data)}"})
            return
        self.answer(206, data[start:end], headers | {"Content-Range": f"bytes {start}-{end - 1}/{len(data)}"})

    def do_blobs_uploads(self, name: str, known: Stored, session: str, query: dict[str, list[str]]) -> None:
        if self.command == "POST":
            self.begin(name, query)
            return
        upload = self.owner.uploads.get(session)
        if upload is None:
            self.refuse(404, b'{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN","message":"upload unknown"}]}', {})
            return
        where = {"Location": f"/v2/{name}/blobs/uploads/{session}"}
        if self.command == "GET":
            self.answer(204, b"", where | {"Range": f"0-{max(len(upload) - 1, 0)}"})
        elif self.command == "DELETE":
            del self.owner.uploads[session]
            self.answer(204)
        elif self.command == "PATCH":
            data = self.body()
            start = int((self.headers.get("Content-Range") or "0-0").partition("-")[0])
            if start != len(upload):
                self.answer(416, b"", where | {"Range": f"0-{max(len(upload) - 1, 0)}"})
                return
            upload += data
            self.owner.received += len(data)
            self.answer(202, b"", where | {"Range": f"0-{max(len(upload) - 1, 0)}"})
        else:
            data = self.body()
            self.owner.received += len(data)
            whole = bytes(upload) + data
            del self.owner.uploads[session]
            wanted = query.get("digest", [""])[0]
            if digest_of(whole) != wanted:
                self.error(400, "DIGEST_INVALID")
                return
            self.owner.stored(name).blobs[wanted] = whole
            self.answer(201, b"", {"Location": f"/v2/{name}/blobs/{wanted}", "Docker-Content-Digest": wanted})

    def begin(self, name: str, query: dict[str, list[str]]) -> None:
        """Begin an upload, or mount a blob."""
        self.body()
        digest, other = query.get("mount", [""])[0], query.get("from", [""])[0]
        source = self.owner.repositories.get(other, Stored())
        permitted = self.owner.permits(self.headers.get("Authorization") or "", other, "pull")
        if digest in source.blobs and self.owner.mounts and permitted:
            self.owner.stored(name).blobs[digest] = source.blobs[digest]
            self.answer(201, b"", {"Location": f"/v2/{name}/blobs/{digest}"})
            return
        session = self.owner.number()
        self.owner.uploads[session] = bytearray()
        self.answer(202, b"", {"Location": f"/v2/{name}/blobs/uploads/{session}?state=a%3D", "Range": "0-0"})

    def do_manifests(self, name: str, known: Stored, reference: str, query: dict[str, list[str]]) -> None:
        digest = known.tags.get(reference, reference)
        if self.command == "PUT":
            self.put_manifest(name, reference)
        elif digest not in known.manifests:
            self.error(404, "MANIFEST_UNKNOWN")
        elif self.command == "DELETE":
            if reference in known.tags:
                del known.tags[reference]
            else:
                del known.manifests[digest]
                for tag in [tag for tag, named in known.tags.items() if named == digest]:
                    del known.tags[tag]
            self.answer(202)
        else:
            kind, data = known.manifests[digest]
            headers = {"Content-Type": kind, "Docker-Content-Digest": digest}
            self.answer(200, data, headers | ({"Content-Length": str(len(data))} if self.command == "HEAD" else {}))

    def put_manifest(self, name: str, reference: str) -> None:
        """Keep a manifest whose blobs exist."""
        data = self.body()
        known = self.owner.stored(name)
        value = json.loads(data)
        digest = digest_of(data)
        if reference.startswith("sha256:") and reference != digest:
            self.error(400, "DIGEST_INVALID")
            return
        blobs = [value["config"], *value.get("layers", [])] if "config" in value else []
        if any(blob["digest"] not in known.blobs for blob in blobs):
            self.error(404, "MANIFEST_BLOB_UNKNOWN")
            return
        if any(
            entry["digest"] not in known.manifests for entry in value.get("manifests", []) if self.strict(reference)
        ):
            self.error(404, "MANIFEST_BLOB_UNKNOWN")
            return
        known.manifests[digest] = (self.headers.get("Content-Type") or "", data)
        if not reference.startswith("sha256:"):
            known.tags[reference] = digest
        headers = {"Docker-Content-Digest": digest, "Location": f"/v2/{name}/manifests/{digest}"}
        if self.owner.api and "subject" in value:
            headers["OCI-Subject"] = value["subject"]["digest"]
        self.answer(201, b"", headers)

    def strict(self, reference: str) -> bool:
        """Return whether an index must name known manifests: the list of referrers need not."""
        return not reference.startswith("sha256-")

    def do_tags(self, name: str, known: Stored, rest: str, query: dict[str, list[str]]) -> None:
        if name not in self.owner.repositories:
            self.error(404, "NAME_UNKNOWN")
            return
        last = query.get("last", [""])[0]
        count = min(int(query.get("n", ["1000000"])[0]), self.owner.page)
        rows = [tag for tag in sorted(known.tags) if tag > last]
        more = {"Link": f'</v2/{name}/tags/list?n={count}&last={"".join(rows[count - 1 : count])}>; rel="next"'}
        self.answer(
            200,
            json.dumps({"name": name, "tags": rows[:count]}).encode(),
            {"Content-Type": "application/json", **(more if len(rows) > count else {})},
        )

    def do_referrers(self, name: str, known: Stored, digest: str, query: dict[str, list[str]]) -> None:
        if not self.owner.api:
            self.answer(404, b"404 page not found\n", {"Content-Type": "text/plain"})
            return
        rows = []
        for own, (kind, data) in sorted(known.manifests.items()):
            value = json.loads(data)
            if value.get("subject", {}).get("digest") == digest:
                artifact = value.get("artifactType") or value.get("config", {}).get("mediaType", "")
                rows.append(
                    {"mediaType": kind, "digest": own, "size": len(data), "artifactType": artifact,
                     "annotations": value.get("annotations", {})}
                )  # fmt: skip
        body = {"schemaVersion": 2, "mediaType": INDEX, "manifests": rows}
        self.answer(200, json.dumps(body).encode(), {"Content-Type": INDEX})
