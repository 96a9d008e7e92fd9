"""Find the credentials of a registry as docker and podman do: in their files, and by credential helpers.

Files: containers-auth.json(5), and docker's `config.json`. Helpers:
https://github.com/docker/docker-credential-helpers. A file that cannot be read is an error, since without credentials
a registry's answer would be misleading.
"""

from __future__ import annotations

import binascii
import json
import os
import re
import stat
from base64 import b64decode
from collections.abc import Iterator, Mapping

from fpack.light_typing import Any, NamedTuple
from fpack.store import processes
from fpack.store.errors import FpackError, malformation, one_line
from fpack.xdg import base_directory

MAX_FILE = 4 << 20  # bytes
MAX_SECRET = 64 << 10  # bytes
HELPER_SECONDS = 60.0  # until the helper must have answered
_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_TOKEN_USER = "<token>"  # a helper's name for an identity token
# Docker Hub has several names. Its credentials have the first.
_HUB = ("index.docker.io", "docker.io", "registry-1.docker.io")


class BadCredentials(FpackError):
    """Credentials that cannot be read: a damaged file, or a helper that fails."""

    exit_code = 2


class RegistryCredentials(NamedTuple):
    """A login at a registry. identity: a token that is exchanged for others. bearer: one to send as it is."""

    user: str = ""
    password: str = ""
    identity: str = ""
    bearer: str = ""

    def __repr__(self) -> str:
        return f"RegistryCredentials({self.user!r})"  # a log or a traceback must not show the rest


NONE = RegistryCredentials()


def find(host: str, repository: str = "", environ: Mapping[str, str] = os.environ) -> RegistryCredentials:
    """Return the credentials for a repository of a registry, or NONE. host: with its port, if it has one.

    The first file that knows the registry decides. In it, the entry of the longest name that contains the repository
    is taken, a helper before an entry.
    """
    names = _names(host, repository)
    for path, document in _documents(environ):
        found = _in_document(path, document, names, environ)
        if found is not None:
            return found
    return NONE


def _names(host: str, repository: str) -> list[str]:
    """Return the names under which credentials may be kept, the most specific first."""
    parts = repository.split("/") if repository else []
    hosts = _HUB if host in _HUB else (host,)
    return [f"{name}/{'/'.join(parts[:count])}".rstrip("/") for count in range(len(parts), -1, -1) for name in hosts]


def _files(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the paths of the files of credentials, in the order of podman."""
    home = environ.get("HOME") or os.path.expanduser("~")
    if given := environ.get("REGISTRY_AUTH_FILE"):
        yield given
        return
    run = environ.get("XDG_RUNTIME_DIR") or ""
    yield f"{run}/containers/auth.json" if run.startswith("/") else f"/run/containers/{os.getuid()}/auth.json"
    yield f"{base_directory('CONFIG', environ)}/containers/auth.json"
    yield f"{environ.get('DOCKER_CONFIG') or f'{home}/.docker'}/config.json"
    yield f"{home}/.dockercfg"


def _documents(environ: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in _files(environ):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError:
            # The directory in /run may be another user's.
            if path.startswith("/run/"):
                continue
            why = "you may not read the file"
            raise BadCredentials("The credentials of registries cannot be read", where=path, why=why) from None
        try:
            with os.fdopen(fd, "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise ValueError("it is not a regular file")
                data = file.read(MAX_FILE + 1)
            if len(data) > MAX_FILE:
                raise ValueError(f"it is larger than {MAX_FILE} bytes")
            document = json.loads(data) if data.strip() else {}
            if not isinstance(document, dict):
                raise ValueError("it is not a JSON object")
        except (OSError, ValueError, RecursionError) as error:
            raise BadCredentials(
                "The credentials of registries cannot be read", where=path, why=_reason(error)
            ) from None
        yield path, {"auths": document} if path.endswith("/.dockercfg") else document


def _reason(error: Exception) -> str:
    """Return why a file cannot be read, without quoting it: it holds secrets."""
    if isinstance(error, json.JSONDecodeError):
        return f"it is not JSON: line {error.lineno}, column {error.colno}"
    return getattr(error, "strerror", None) or malformation(error)


def _in_document(
    path: str, document: Mapping[str, Any], names: list[str], environ: Mapping[str, str]
) -> RegistryCredentials | None:
    """Return the credentials in a file, or None if it has none for the names."""
    helpers = document.get("credHelpers")
    entries = document.get("auths")
    known = {_plain(str(key)): value for key, value in entries.items()} if isinstance(entries, dict) else {}
    store = document.get("credsStore")
    for name in names:
        helper = helpers.get(name) if isinstance(helpers, dict) else None
        if isinstance(helper, str) and helper:
            return _helped(path, helper, name, environ) or NONE
        entry = known.get(name)
        if isinstance(store, str) and store and "/" not in name:
            found = _helped(path, store, _server(name), environ)
            if found is not None:
                return found
        if isinstance(entry, dict) and entry:
            return _entry(path, name, entry)
    return None


def _server(name: str) -> str:
    """Return a registry's name as docker gives it to helpers."""
    return "https://index.docker.io/v1/" if name == _HUB[0] else name


def _plain(key: str) -> str:
    """Return the name in a key of `auths`: docker's keys may be URLs, such as `https://index.docker.io/v1/`."""
    scheme, found, rest = key.partition("://")
    if found and scheme in ("http", "https"):
        return rest.partition("/")[0]
    return key.rstrip("/")


def _entry(path: str, name: str, entry: Mapping[str, Any]) -> RegistryCredentials:
    user, password = _text(entry.get("username")), _text(entry.get("password"))
    auth = _text(entry.get("auth"))
    if auth:
        try:
            user, _, password = b64decode(auth, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            raise BadCredentials(
                "The credentials of a registry cannot be read", where=path, why=f"the entry of {name} is damaged",
                hint=f"run podman login {name}, or docker login {name}",
            ) from None  # fmt: skip
    # docker pads passwords with NUL.
    return RegistryCredentials(
        user, password.rstrip("\0"), _text(entry.get("identitytoken")), _text(entry.get("registrytoken"))
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) and len(value) <= MAX_SECRET else ""


def _helped(path: str, helper: str, server: str, environ: Mapping[str, str]) -> RegistryCredentials | None:
    """Ask a helper. Return None if it has no credentials for a server."""
    program = f"docker-credential-{helper}"
    hint = f"install {program}, or remove it from {path}"
    if not _HELPER.match(helper):
        why = f"it is {helper[:80]!r}, and a name has only letters, digits, dots, dashes and `_`"
        raise BadCredentials("The name of a credential helper is not valid", where=path, why=why)
    found = processes.find(program, environ)
    if found is None:
        raise BadCredentials(
            "A credential helper is not installed", where=path, why=f"there is no {program} on PATH", hint=hint
        )
    try:
        done = processes.run(
            "credential helper", ["get"], program=found, seconds=HELPER_SECONDS, given=f"{server}\n".encode()
        )
    except OSError as error:
        raise BadCredentials("A credential helper failed", where=found, why=error.strerror or str(error)) from None
    if done.status != 0:
        why = (done.output or done.errors).decode("utf-8", "replace").strip()
        if "credentials not found" in why or "no credentials" in why.lower():
            return None
        raise BadCredentials(
            "A credential helper failed",
            where=found,
            why=one_line(why[:300]) or f"it ended with exit status {done.status}",
        )
    try:
        answer = json.loads(done.output)
        user, secret = answer["Username"], answer["Secret"]
        if not isinstance(user, str) or not isinstance(secret, str) or len(secret) > MAX_SECRET:
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError):
        why = "its output is not a JSON object with the texts Username and Secret"
        raise BadCredentials("A credential helper gave no credentials", where=found, why=why) from None
    return RegistryCredentials(identity=secret) if user == _TOKEN_USER else RegistryCredentials(user, secret)
