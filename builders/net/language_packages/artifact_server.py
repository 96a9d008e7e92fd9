"""Serve the files of package repositories to a build without a network, over a socket file, and record what was asked.

The build tool of a project resolves its dependencies in the sandbox, where this server is the only repository. What it
recorded is the project's lock: the path, SHA-256 and repository of each file, and the text of indexes, which change.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from fpack.builders.net.errors import HttpError, NotFound
from fpack.builders.net.http import Http
from fpack.store import threads

FORMAT = 1
RECORDED = "/-/recorded"  # the path of the lock
MAX_FILES = 20_000
MAX_FILE = 2 << 30  # bytes
MAX_INDEX = 4 << 20  # bytes
MAX_PATH = 1024
INDEX = "maven-metadata.xml"
_WORKERS = 8  # requests at a time
_LINE = 8192  # bytes of a line of a request
_SECONDS = 120.0  # without a byte
_SEGMENT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._+~@!-]*\Z")
_CHECKSUMS = {".md5": "md5", ".sha1": "sha1", ".sha256": "sha256", ".sha512": "sha512"}
_CHUNK = 1 << 20  # bytes


class ServedFile(NamedTuple):
    """A file that was served. repository: its URL. disk: where it lies."""

    repository: str
    sha256: str
    disk: Path


class ArtifactServer:
    """A server. repositories: addresses to try in order. urls: maps the address of a file to its URLs.

    directory: for the files. Use it as a context manager around the run.
    """

    def __init__(
        self,
        repositories: Sequence[str],
        directory: Path,
        http: Http,
        urls: Callable[[str], Sequence[str]] = lambda url: [url],
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._repositories = list(repositories)
        self._directory = directory
        self._http = http
        self._urls = urls
        self._check = check
        self._files: dict[str, ServedFile | None] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        self.failures: list[HttpError] = []
        self._socket: socket.socket | None = None

    def listen(self, path: Path) -> None:
        """Serve at a socket file until `close`."""
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # The path may be longer than the address of a socket.
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            server.bind(f"/proc/self/fd/{directory}/{path.name}")
            os.chmod(f"/proc/self/fd/{directory}/{path.name}", 0o777)
        finally:
            os.close(directory)
        server.listen(64)
        self._socket = server
        self._workers = threads.Workers(_WORKERS, "repository")
        self._accepting = threads.start(self._accept, "repository")

    def close(self) -> None:
        """Stop serving."""
        if self._socket is None:
            return
        self._socket.shutdown(socket.SHUT_RDWR)
        self._accepting.wait()
        self._workers.stop()
        self._socket.close()
        self._socket = None

    def _accept(self) -> None:
        assert self._socket is not None
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            connection.settimeout(_SECONDS)
            self._workers.submit(lambda connection=connection: self._answer(connection))  # type: ignore[misc]

    def _answer(self, connection: socket.socket) -> None:
        """Answer one request, and close the connection."""
        try:
            with connection, connection.makefile("rwb") as stream:
                self._serve(stream)
        except (OSError, ValueError):
            pass  # the client is gone

    def _serve(self, stream: Any) -> None:
        words = stream.readline(_LINE).decode("latin-1").split()
        for _ in range(100):
            if stream.readline(_LINE) in (b"\r\n", b"\n", b""):
                break
        if len(words) != 3 or words[0] not in ("GET", "HEAD"):
            _head(stream, "405 Method Not Allowed", 0)
            return
        try:
            status, content = self._content(words[1])
        except HttpError as error:
            with self._lock:
                self.failures.append(error)
            status, content = "502 Bad Gateway", b""
        if isinstance(content, bytes):
            _head(stream, status, len(content))
            if words[0] == "GET":
                stream.write(content)
            return
        with open(content, "rb") as file:
            _head(stream, status, os.fstat(file.fileno()).st_size)
            if words[0] == "GET":
                shutil.copyfileobj(file, stream, _CHUNK)

    def _content(self, path: str) -> tuple[str, bytes | Path]:
        """Return the status of an answer, and its content or the file that has it."""
        if path == RECORDED:
            return "200 OK", self.lock().encode()
        base, ending = os.path.splitext(path.lstrip("/"))
        algorithm = _CHECKSUMS.get(ending)
        found = self._file(base if algorithm else f"{base}{ending}")
        if found is None:
            return "404 Not Found", b""
        if algorithm is None:
            return "200 OK", found.disk
        with open(found.disk, "rb") as file:
            return "200 OK", hashlib.file_digest(file, algorithm).hexdigest().encode()

    def _file(self, path: str) -> ServedFile | None:
        """Download a file once. Return None if no repository has it."""
        if not valid(path):
            return None
        with self._lock:
            lock = self._locks.setdefault(path, threading.Lock())
            if len(self._locks) > MAX_FILES:
                raise HttpError("A project asks for too many files", where=path, why=f"the limit is {MAX_FILES}")
        with lock:
            if path not in self._files:
                self._files[path] = self._download(path)
            return self._files[path]

    def _download(self, path: str) -> ServedFile | None:
        limit = MAX_INDEX if path.endswith(INDEX) else MAX_FILE
        for number, repository in enumerate(self._repositories):
            part = self._directory / f"{hashlib.sha256(path.encode()).hexdigest()}-{number}"
            try:
                urls = list(self._urls(f"{repository}/{path}"))
                done = self._http.download(urls, part, limit=limit, check=self._check)
            except NotFound:
                continue
            return ServedFile(repository, done.sha256, part)
        return None

    def lock(self) -> str:
        """Return what was served, as JSON: `files` by path, each with its SHA-256 and repository, or its text."""
        files: dict[str, dict[str, str]] = {}
        with self._lock:
            served = sorted(self._files.items())
        for path, found in served:
            if found is None:
                continue
            if path.endswith(INDEX):
                files[path] = {"text": found.disk.read_text("utf-8", "replace")}
            else:
                files[path] = {"repository": found.repository, "sha256": found.sha256}
        return json.dumps({"files": files, "format": FORMAT}, indent=1, sort_keys=True) + "\n"


def valid(path: str) -> bool:
    """Return whether a path is that of a file of a repository."""
    return len(path) <= MAX_PATH and all(_SEGMENT.match(part) for part in path.split("/"))


def _head(stream: BinaryIO, status: str, size: int) -> None:
    stream.write(f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n".encode())
