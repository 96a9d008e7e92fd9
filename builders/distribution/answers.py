"""Turn the answers of a registry into errors: one message for each cause, with what the registry says.

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


def reason(status: int, phrase: str, body: bytes) -> str:
    """Return what a registry says of a failed request, on one line."""
    said = [str(row.get("message") or row.get("code") or "") for row in _rows(body)]
    told = "; ".join(dict.fromkeys(text for text in said if text))
    text = f"the registry answered {status} {phrase}".rstrip()
    return one_line(f"{text}: {told}" if told else text)[:MAX_TEXT]


def failure(
    where: str, host: str, status: int, phrase: str, body: bytes, known_user: bool, plain: bool = False
) -> RepositoryError:
    """Return the error for an answer that no attempt could avoid. known_user: credentials were sent.

    plain: the request was sent without TLS.
    """
    why = reason(status, phrase, body)
    if status == 401:
        what = "The registry refuses the credentials" if known_user else "The registry asks for credentials"
        return Denied(what, where=where, why=why, hint=f"run podman login {host}, or docker login {host}")
    if status == 403:
        if known_user:
            hint = "ask for access, or log in as another user"
        else:
            hint = f"run podman login {host}, or docker login {host}"
        return Denied("The registry does not permit this", where=where, why=why, hint=hint)
    if status in (404, 410):
        return NotThere("The registry does not have this", where=where, why=why)
    if status == 429:
        return Unavailable("The registry limits the rate of requests", where=where, why=why, hint="try again later")
    if status in TRANSIENT or status >= 500:
        return Unavailable("The registry failed", where=where, why=why, hint="try again later")
    if status == 413:
        return RepositoryError("The registry refuses an upload of this size", where=where, why=why)
    if status == 416:
        return RepositoryError("The registry refuses a range", where=where, why=why)
    hint = "leave out --plain-http if this registry uses TLS" if plain and status == 400 else ""
    return RepositoryError("The registry refused the request", where=where, why=why, hint=hint)


def unreachable(where: str, host: str, error: HttpError) -> RepositoryError:
    """Return the error of a repository for one of its connection."""
    if isinstance(error, TlsError):
        hint = f"put the certificate of its authority into ~/.config/containers/certs.d/{host}/ca.crt"
        if "WRONG_VERSION_NUMBER" in error.why or "record layer failure" in error.why:
            hint = "use --plain-http if it is a registry on this machine without TLS"
        return Unavailable(
            "The registry's certificate was not accepted", where=where, why=one_line(error.why)[:MAX_TEXT], hint=hint
        )
    if isinstance(error, BadUrl):
        return RepositoryError("The registry leads to a malformed URL", where=where, why=error.why)
    return Unavailable("The registry cannot be reached", where=where, why=f"{error.what}: {error.why}")
