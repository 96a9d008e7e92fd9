"""Turn the answers of a server into errors: one message for each cause, with what the server says.

Registries describe errors in JSON: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes
"""

from __future__ import annotations

import json

from fpack.builders.net.errors import BadUrl, HttpError, TlsError
from fpack.light_typing import Any
from fpack.store.errors import one_line

from .protocol import Denied, NotThere, RepositoryError, Unavailable

MAX_ERROR = 64 << 10  # bytes of the body of an error
MAX_TEXT = 300
TRANSIENT = (408, 429, 500, 502, 503, 504)
REGISTRY, WEB_SERVER, BUCKET_SERVER = "registry", "web server", "bucket's server"  # in messages


def codes(body: bytes) -> list[str]:
    """Return the error codes in the body of an answer, such as MANIFEST_UNKNOWN."""
    return [str(row.get("code", "")) for row in _rows(body)]


def _rows(body: bytes) -> list[dict[str, Any]]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return []
    rows = document.get("errors") if isinstance(document, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def reason(status: int, phrase: str, body: bytes, server: str = REGISTRY) -> str:
    """Return what a server says of a failed request, on one line."""
    said = [str(row.get("message") or row.get("code") or "") for row in _rows(body)]
    told = "; ".join(dict.fromkeys(text for text in said if text))
    text = f"the {server} answered {status} {phrase}".rstrip()
    return one_line(f"{text}: {told}" if told else text)[:MAX_TEXT]


def failure(
    where: str,
    host: str,
    status: int,
    phrase: str,
    body: bytes,
    known_user: bool,
    plain: bool = False,
    server: str = REGISTRY,
) -> RepositoryError:
    """Return the error for an answer that no attempt could avoid. known_user: credentials were sent.

    plain: the request was sent without TLS.
    """
    why = reason(status, phrase, body, server)
    if status == 401:
        what = f"The {server} refuses the credentials" if known_user else f"The {server} asks for credentials"
        return Denied(what, where=where, why=why, hint=f"run podman login {host}, or docker login {host}")
    if status == 403:
        if known_user:
            hint = "ask for access, or log in as another user"
        else:
            hint = f"run podman login {host}, or docker login {host}"
        return Denied(f"The {server} does not permit this", where=where, why=why, hint=hint)
    if status in (404, 410):
        hint = "check the name of the registry and the repository" if server == REGISTRY else ""
        return NotThere(f"The {server} does not have this", where=where, why=why, hint=hint)
    if status == 429:
        return Unavailable(f"The {server} limits the rate of requests", where=where, why=why, hint="try again later")
    if status in TRANSIENT or status >= 500:
        return Unavailable(f"The {server} failed", where=where, why=why, hint="try again later")
    if status == 413:
        hint = "raise the limit of the server, or of the proxy before it"
        return RepositoryError(f"The {server} refuses an upload of this size", where=where, why=why, hint=hint)
    if status == 416:
        return RepositoryError(f"The {server} refuses a range", where=where, why=why)
    hint = "leave out --plain-http if this registry uses TLS" if plain and status == 400 and server == REGISTRY else ""
    return RepositoryError(f"The {server} refused the request", where=where, why=why, hint=hint)


def unreachable(where: str, host: str, error: HttpError, server: str = REGISTRY) -> RepositoryError:
    """Return the error of a repository for one of its connection."""
    if isinstance(error, TlsError):
        hint = f"put the certificate of its authority into ~/.config/containers/certs.d/{host}/ca.crt"
        if server == REGISTRY and ("WRONG_VERSION_NUMBER" in error.why or "record layer failure" in error.why):
            hint = "write --plain-http before its address if it is a registry on this machine without TLS"
        return Unavailable(
            f"The {server}'s certificate was not accepted", where=where, why=one_line(error.why)[:MAX_TEXT], hint=hint
        )
    if isinstance(error, BadUrl):
        return RepositoryError(f"The {server} leads to a malformed URL", where=where, why=error.why)
    return Unavailable(f"The {server} cannot be reached", where=where, why=f"{error.what}: {error.why}")
