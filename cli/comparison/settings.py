"""List the settings of a container's configuration as text, without what may be a secret.

A configuration should hold no secret, but some do. A comparison ends up in a pull request or a log, so values whose
names or forms are those of secrets are hidden; that they changed is shown.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

HIDDEN = "(hidden)"
_MAX = 2_000  # characters of a value
_SEARCHED = 16_384  # characters in which secrets are looked for: images of others may have values of megabytes
_SECRET_NAME = re.compile(
    r"(?:pass|passwd|password|pwd|secret|token|credentials?|auth|apikey|key|private|salt|session|cookie|dsn|jwt|cert)"
    r"(?:$|[^a-z])|secret|password|passphrase|token",
    re.IGNORECASE,
)
_LOGIN = re.compile(r"(?<!\w)(\w++://)[^\s/?#]*@")  # a password may have an @
_ARGUMENT = re.compile(
    r"(?i)((?:^|[\s\"'\[,;&?-])[\w.-]{0,40}(?:pass\w*+|pwd|secret\w*+|tokens?|credentials?|api[-_]?key|auth\w*+)"
    r"(?:[=:]\s*(?:(?:basic|bearer)\s+)?|\"?,?\s+\"?))[^\s\"',;&]+"
)
# Tokens that well-known services make, and keys.
_TOKEN = re.compile(
    r"gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|(?:AKIA|ASIA)[A-Z0-9]{16}|xox[abposr]-[\w-]{10,}"
    r"|eyJ[\w-]{16,}\.[\w-]+(?:\.[\w-]+)?|-----BEGIN[\s\S]*|sk-[\w-]{20,}|AIza[\w-]{30,}"
)


def settings(configuration: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings of an image's configuration by name, such as `user` and `env PATH`."""
    config = configuration.get("config")
    found = {name: _plain(configuration.get(field)) for name, field in _SYSTEM.items() if configuration.get(field)}
    if isinstance(config, Mapping):
        found.update(_of_config(config))
    return found


_SYSTEM = {"architecture": "architecture", "operating system": "os", "variant": "variant"}
_TEXTS = {
    "user": "User", "working directory": "WorkingDir", "stop signal": "StopSignal", "entrypoint": "Entrypoint",
    "command": "Cmd", "healthcheck": "Healthcheck",
}  # fmt: skip


def _of_config(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, field in _TEXTS.items():
        if config.get(field):
            yield name, without_secrets(_plain(config[field]))
    variables = config.get("Env")
    for item in variables if isinstance(variables, list) else []:
        name, _, value = str(item).partition("=")
        yield f"env {name}", hidden(value) if _SECRET_NAME.search(name) else without_secrets(value)
    for noun, field in (("port", "ExposedPorts"), ("volume", "Volumes")):
        items = config.get(field)
        for key in items if isinstance(items, Mapping) else ():
            yield f"{noun} {key}", ""
    labels = config.get("Labels")
    for key, value in labels.items() if isinstance(labels, Mapping) else ():
        yield f"label {key}", hidden(_plain(value)) if _SECRET_NAME.search(key) else without_secrets(_plain(value))


def without_secrets(text: str) -> str:
    """Return a text with logins of URLs, values of arguments with names of secrets, and known tokens hidden.

    A text that is too long to be searched is hidden as a whole.
    """
    if len(text) > _SEARCHED:
        return hidden(text)
    masked = _LOGIN.sub(lambda match: f"{match[1]}{hidden(match[0])}@", text)
    masked = _ARGUMENT.sub(lambda match: match[1] + hidden(match[0]), masked)
    return _TOKEN.sub(lambda match: hidden(match[0]), masked)


def public(name: str, value: str) -> str:
    """Return a value for people, without secrets. name: of the variable or label that has it, or ""."""
    return shown(hidden(value) if _SECRET_NAME.search(name) else without_secrets(value))


def hidden(secret: str) -> str:
    """Return what stands for a secret. It differs for another secret, in a way that `shown` removes."""
    return f"{_MARK}{_digest(secret)}{_MARK}"


# A character that no JSON text has unescaped, and no environment has.
_MARK = "\0"
_MARKED = re.compile(f"{_MARK}[0-9a-f]*{_MARK}")


def shown(value: str) -> str:
    """Return a value for people, cut, in which a secret is HIDDEN. Nothing of it, and no digest of it, remains."""
    text = _MARKED.sub(HIDDEN, value).replace(_MARK, " ")
    return text if len(text) <= _MAX else f"{text[:_MAX]}..."


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _plain(value: Any) -> str:
    """Return a value as text: a list or record as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
