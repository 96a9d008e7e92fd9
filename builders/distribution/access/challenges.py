"""Parse the challenge of a 401 answer: the header WWW-Authenticate (RFC 9110, section 11)."""

from __future__ import annotations

import re

from fpack.light_typing import NamedTuple

MAX_HEADER = 8192
# Patterns are compiled when they are used: most registries of a team ask for no login.
_SCHEME = r"\s*+(?:,\s*+)?([A-Za-z][A-Za-z0-9_-]*)(?:\s+|\Z)"
_PARAMETER = r'\s*+(?:,\s*+)?([A-Za-z0-9_-]++)\s*+=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))'


class Challenge(NamedTuple):
    """A challenge. scheme: in lower case. realm: of a bearer challenge, the URL of the token server."""

    scheme: str
    realm: str = ""
    service: str = ""
    scope: str = ""


def parse(header: str) -> list[Challenge]:
    """Return the challenges of a header, in order. What cannot be parsed is left out."""
    found: list[Challenge] = []
    text = header[:MAX_HEADER]
    next_scheme, next_parameter = re.compile(_SCHEME).match, re.compile(_PARAMETER).match
    at = 0
    while (scheme := next_scheme(text, at)) is not None:
        at = scheme.end()
        fields: dict[str, str] = {}
        while (parameter := next_parameter(text, at)) is not None:
            value = parameter[3] if parameter[3] is not None else re.sub(r"\\(.)", r"\1", parameter[2])
            fields.setdefault(parameter[1].lower(), value)
            at = parameter.end()
        found.append(
            Challenge(scheme[1].lower(), fields.get("realm", ""), fields.get("service", ""), fields.get("scope", ""))
        )
    return found
