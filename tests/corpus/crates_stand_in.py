"""Stand in for crates.io, where a machine cannot reach it: the crates' sources in Debian's packages librust-NAME-dev.

Debian has a few versions of a crate, by releases, most with a Cargo.toml that it has changed: without what is for other
systems. Such dependencies of a project itself lead to empty crates. So a project resolves and builds without an edit,
by other versions than those of its own Cargo.lock.
"""

from __future__ import annotations

import hashlib
import io
import json
import lzma
import os
import re
import socket
import subprocess
import tarfile
import tempfile
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

from corpus.crates_index import (
    Closure,
    CrateFile,
    MadeCrate,
    archive_of,
    dependencies,
    empty_crate,
    index,
    least,
    matches,
    renamed,
)
from corpus.crates_index import numbers as by_numbers
from fpack import strict_toml
from fpack.builders.debian.mirrors import find_mirrors
from fpack.builders.debian.release import MAX_SIZE, find_files, read_release
from fpack.builders.debian.signatures import find_keyring

INDEX = "index.crates.io"
RELEASES = ("bookworm", "trixie", "sid")
_PACKAGES = "main/binary-amd64/Packages.xz"
_PACKAGE = re.compile(r"^Package: librust-([a-z0-9.-]+)-dev\n(?:.+\n)*?Filename: (\S+)\n(?:.+\n)*?SHA256: (\w+)$", re.M)
_REGISTRY = "./usr/share/cargo/registry/"


def is_needed() -> bool:
    """Return whether crates.io has no address on this machine."""
    try:
        socket.getaddrinfo(INDEX, 443)
    except OSError:
        return True
    return False


class DebianCrates:
    """The crates in Debian's archive. directory: keeps what was fetched."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._packages: dict[str, dict[str, str]] = {}  # by the name: the digests of packages, and their files
        for release in RELEASES:
            for name, file, digest in self._listed(release):
                base = re.sub(r"-\d+(\.\d+)*$", "", name)
                for key in {name, base}:  # a package of an older version has the version in its name
                    self._packages.setdefault(key, {})[digest] = file
        self._found: dict[str, list[CrateFile]] = {}

    def find(self, name: str) -> list[CrateFile]:
        """Return the versions of a crate, oldest first."""
        if name not in self._found:
            packages = self._packages.get(name.lower().replace("_", "-"), {})
            read = [crate for crate in map(self._read, packages.items()) if crate and crate.name == name]
            by_version = {crate.version: crate for crate in read}
            self._found[name] = sorted(by_version.values(), key=lambda crate: by_numbers(crate.version))
        return self._found[name]

    def _read(self, package: tuple[str, str]) -> CrateFile | None:
        """Return the crate in a package, or None if it has none, or is not to be had."""
        digest, file = package
        path = self._directory / f"{digest}.crate"
        if not path.exists():
            data = _get(file)
            if data is None or hashlib.sha256(data).hexdigest() != digest:
                return None
            _write(path, _crate_in(data))
        try:
            with tarfile.open(path) as tar:
                member = next(each for each in tar if each.name.endswith("/Cargo.toml"))
                manifest = tar.extractfile(member)
                assert manifest is not None
                table = strict_toml.parse(manifest.read().decode())
        except (StopIteration, tarfile.TarError, ValueError):
            return None
        return CrateFile(hashlib.sha256(path.read_bytes()).hexdigest(), table, path)

    def _listed(self, release: str) -> list[tuple[str, str, str]]:
        """Return names, files and digests of the packages in the index of a release, which its signature covers."""
        signed = _get(f"dists/{release}/InRelease")
        if signed is None or len(signed) > MAX_SIZE:
            raise SystemExit(f"no mirror has the release {release}")
        read_release(signed, find_keyring(), suite=release, now=time.time(), accept_expired=True)
        digest = find_files(signed, re.escape(_PACKAGES))[_PACKAGES].sha256
        path = self._directory / f"{digest}.json"
        if not path.exists():
            data = _get(f"dists/{release}/{_PACKAGES}")
            if data is None or hashlib.sha256(data).hexdigest() != digest:
                raise SystemExit(f"no mirror has the index of {release} that its release names")
            stanzas = lzma.decompress(data).decode().split("\n\n")
            found = [match.groups() for stanza in stanzas if (match := _PACKAGE.search(stanza))]
            _write(path, json.dumps(found).encode())
        return [(name, file, sha256) for name, file, sha256 in json.loads(path.read_text())]


def _crate_in(deb: bytes) -> bytes:
    """Return the archive of the crate in a Debian package, as one of crates.io; an empty one if there is none."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(deb)
        file.flush()
        done = subprocess.run(["dpkg-deb", "--fsys-tarfile", file.name], stdout=subprocess.PIPE, check=True)
    files = {}
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        for member in tar:
            path = member.name.removeprefix(_REGISTRY)
            if member.isfile() and path != member.name and (content := tar.extractfile(member)):
                files[path] = content.read()
    tops = sorted({path.partition("/")[0] for path in files})
    own = {path: data for path, data in files.items() if path.startswith(f"{tops[0]}/")}
    table = strict_toml.parse(own[f"{tops[0]}/Cargo.toml"].decode())["package"] if own else {}
    top = f"{table.get('name')}-{table.get('version')}"  # that of the directory may be another
    named = {f"{top}/{path.partition('/')[2]}": data for path, data in own.items()}
    return archive_of({path: data for path, data in named.items() if not path.endswith("/.cargo-checksum.json")})


def _get(path: str) -> bytes | None:
    for url in find_mirrors().urls("debian", path):
        try:
            with urllib.request.urlopen(url, timeout=120) as response:
                data: bytes = response.read()
                return data
        except OSError:
            continue
    return None


def _write(path: Path, data: bytes) -> None:
    part = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
    part.write_bytes(data)
    part.rename(path)


class CratesServer:
    """A registry on loopback, until this process ends. directory: for empty crates."""

    def __init__(self, crates: DebianCrates, directory: Path) -> None:
        self._crates = crates
        self._directory = directory
        self._made: dict[str, dict[str, CrateFile]] = {}  # by name and version
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        server.crates = self  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def prepare(self, project: Path, home: Path) -> None:
        """Find what a project may need, and let cargo's settings of a home directory name the registry.

        What the project itself asks for is served under a version that it asks for.
        """
        closure = Closure(self._crates.find)
        manifests = [strict_toml.parse(path.read_text()) for path in sorted(project.rglob("Cargo.toml"))]
        closure.add(manifests)
        for row in (row for manifest in manifests for row in dependencies(manifest)):
            name = row["package"] or row["name"]
            found = self._crates.find(name)
            if found and not any(matches(row["req"], crate.version) for crate in found):
                wanted = least(row["req"])
                nearest = next((c for c in found if by_numbers(c.version) > by_numbers(wanted)), found[-1])
                self._serve(name, wanted, renamed(nearest, wanted))
        for name, groups in closure.foreign.items():
            for version, features in groups.values():
                self._serve(name, version, empty_crate(name, version, features))
        settings = home / ".cargo/config.toml"
        settings.parent.mkdir(exist_ok=True)
        settings.write_text(
            f'[source.crates-io]\nreplace-with = "debian"\n[source.debian]\nregistry = "sparse+{self.url}/"\n'
        )

    def _serve(self, name: str, version: str, made: MadeCrate) -> None:
        path = self._directory / f"{made.sha256}.crate"
        _write(path, made.archive)
        self._made.setdefault(name, {})[version] = CrateFile(made.sha256, made.manifest, path)

    def answer(self, path: str) -> bytes | None:
        """Return a file of the registry."""
        words = path.strip("/").split("/")
        if words == ["config.json"]:
            return json.dumps({"dl": f"{self.url}/dl/{{crate}}/{{version}}"}).encode()
        name = words[1 if words[0] == "dl" else -1]
        found = [*self._crates.find(name), *self._made.get(name, {}).values()]
        if words[0] != "dl":
            return index(found).encode() if found else None
        version = unquote(words[-1])
        return next((crate.path.read_bytes() for crate in found if crate.version == version), None)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Answer with a file."""
        data = self.server.crates.answer(self.path)  # type: ignore[attr-defined]
        self.send_response(404 if data is None else 200)
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        self.wfile.write(data or b"")

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


def start(work: Path) -> CratesServer:
    """Serve the registry. Its files are kept in the directory `work`."""
    directory = work / "crates"
    return CratesServer(DebianCrates(directory), directory)
