"""Parse references to images and artifacts in registries, such as `registry.example/team/app:1.0@sha256:...`.

The syntax is that of https://github.com/distribution/reference, without short names: a host must be given, so that a
name is never looked up in a place that the user did not name.
"""

from __future__ import annotations

import re

from fpack.light_typing import NamedTuple
from fpack.store.errors import FpackError

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:.]+\])(?::[0-9]{{1,5}})?"
_REFERENCE = re.compile(
    rf"(?P<host>{_HOST})/(?P<repository>{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?\Z"
)
MAX_REPOSITORY = 255
MAX_REFERENCE = 1024


class BadReference(FpackError):
    """A text that is not a reference."""

    exit_code = 2


class Reference(NamedTuple):
    """A reference. host: with a port, if one was given. tag, digest: "" if not given."""

    host: str
    repository: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        tag, digest = f":{self.tag}" if self.tag else "", f"@{self.digest}" if self.digest else ""
        return f"{self.host}/{self.repository}{tag}{digest}"

    @property
    def wanted(self) -> str:
        """Return what to ask a registry for: the digest, else the tag, else `latest`."""
        return self.digest or self.tag or "latest"

    @property
    def is_loopback(self) -> bool:
        """Return whether the host is this machine."""
        name, colon, port = self.host.rpartition(":")
        name = name if colon and port.isdigit() else self.host
        return name in ("localhost", "[::1]") or re.fullmatch(r"127(?:\.[0-9]{1,3}){3}", name) is not None


def is_reference(text: str) -> bool:
    """Return whether a text is a reference whose host cannot be the first folder of a path: it has a dot or a port."""
    found = _REFERENCE.match(text) if len(text) <= MAX_REFERENCE else None
    return found is not None and (found["host"] == "localhost" or any(sign in found["host"] for sign in ".:"))


def parse_reference(text: str) -> Reference:
    """Parse a reference. Raise BadReference if it is none or has no host."""
    found = _REFERENCE.match(text) if len(text) <= MAX_REFERENCE else None
    if found is None or len(found["repository"]) > MAX_REPOSITORY or not is_reference(text):
        raise BadReference(
            f"{text[:200]!r} is not a reference to an image in a registry",
            hint="write HOST/NAME, HOST/NAME:TAG or HOST/NAME@sha256:DIGEST, such as localhost:5000/team/app:1.0",
        )
    return Reference(found["host"], found["repository"], found["tag"] or "", found["digest"] or "")
