"""A server of buckets on the loopback interface: a small part of S3, with pages of two keys."""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, unquote, urlsplit

from fpack.builders.distribution.signature_v4 import AwsAccess, sign
from support.servers.httpserver import LoopbackServer

ACCESS = AwsAccess("AKIDEXAMPLE", "secret", "", "us-east-1")
PAGE = 2


class BucketServer(LoopbackServer):
    """A running server. objects: by path. requests: (method, path). times: see there."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.requests: list[tuple[str, str]] = []
        self.times: dict[str, float] = {}  # of objects, in Unix seconds; now for the others
        self.lock = threading.Lock()
        super().__init__(_Handler)
        self.host = f"127.0.0.1:{self.port}"

    @property
    def environ(self) -> dict[str, str]:
        """The variables that name the server and its credentials."""
        return {
            "AWS_ENDPOINT_URL": f"http://{self.host}",
            "AWS_ACCESS_KEY_ID": ACCESS.key,
            "AWS_SECRET_ACCESS_KEY": ACCESS.secret,
            "HOME": "/nonexistent",
        }

    def written(self, path: str) -> str:
        """Return when an object was written, as S3 tells it."""
        import time

        return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(self.times.get(path, time.time())))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a body would wait until the client has acknowledged the headers

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _serve(self) -> None:
        owner: BucketServer = self.server.owner  # type: ignore[attr-defined]
        owner.requests.append((self.command, self.path))
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        try:
            body = self.rfile.read(length)
        except OSError:
            return
        if len(body) < length:
            return  # the writer gave up: nothing is stored
        if not self._is_signed(parts.path, parts.query):
            self._answer(403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>")
            return
        path = unquote(parts.path)
        with owner.lock:
            getattr(self, f"_{self.command.lower()}")(owner, path, parse_qs(parts.query), body)

    do_GET = do_HEAD = do_PUT = do_DELETE = _serve

    def _is_signed(self, path: str, query: str) -> bool:
        import calendar
        import time

        stamp = self.headers.get("x-amz-date", "")
        now = calendar.timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ"))
        payload = self.headers.get("x-amz-content-sha256", "")
        wanted = sign(ACCESS, self.command, self.headers["Host"], path, query, payload, now)
        return wanted["Authorization"] == self.headers.get("Authorization")

    def _get(self, owner: BucketServer, path: str, query: dict[str, list[str]], body: bytes) -> None:
        if "list-type" in query:
            self._list(owner, path, query)
            return
        data = owner.objects.get(path)
        if data is None:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
            return
        found = re.match(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if found:
            start, end = int(found[1]), min(int(found[2]) + 1, len(data))
            self._answer(206, data[start:end], Content_Range=f"bytes {start}-{end - 1}/{len(data)}")
        else:
            self._answer(200, data)

    _head = _get

    def _list(self, owner: BucketServer, path: str, query: dict[str, list[str]]) -> None:
        prefix = f"{path.rstrip('/')}/{query['prefix'][0]}"
        after = query.get("continuation-token", [""])[0]
        keys = sorted(key for key in owner.objects if key.startswith(prefix) and key > after)
        rows = "".join(
            f"<Contents><Key>{key.partition('/')[2].partition('/')[2]}</Key>"
            f"<LastModified>{owner.written(key)}</LastModified><Size>{len(owner.objects[key])}</Size></Contents>"
            for key in keys[:PAGE]
        )
        more = len(keys) > PAGE
        token = f"<NextContinuationToken>{keys[PAGE - 1]}</NextContinuationToken>" if more else ""
        text = (
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{rows}{token}</ListBucketResult>"
        )
        self._answer(200, text.encode())

    def _put(self, owner: BucketServer, path: str, query: dict[str, list[str]], body: bytes) -> None:
        if self.headers.get("If-None-Match") == "*" and path in owner.objects:
            self._answer(412)
            return
        owner.objects[path] = body
        self._answer(200)

    def _delete(self, owner: BucketServer, path: str, query: dict[str, list[str]], body: bytes) -> None:
        owner.objects.pop(path, None)
        self._answer(204)
