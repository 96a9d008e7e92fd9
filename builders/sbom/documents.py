"""List the formats of bills of materials, and write a bill in one of them.

The module of a format is imported when it is used.
"""

from __future__ import annotations

from collections.abc import Iterator

from fpack.light_typing import Any, NamedTuple

from .model import Bill

_CYCLONEDX = "application/vnd.cyclonedx+json"
_SPDX = "application/spdx+json"
_LEGAL = "application/x-tar"


class DocumentFormat(NamedTuple):
    """A format. file: follows the name of the image. module: of this package.

    arguments: of its function `document`, after the bill. attached: an artifact of this type is attached to the image.
    """

    media_type: str
    file: str
    module: str
    arguments: tuple[str | bool, ...] = ()
    attached: bool = True


FORMATS = {
    "cyclonedx-1.6": DocumentFormat(_CYCLONEDX, "cyclonedx-1.6.json", "cyclonedx", ("1.6",)),
    "cyclonedx-1.7": DocumentFormat(_CYCLONEDX, "cyclonedx-1.7.json", "cyclonedx", ("1.7",)),
    "spdx-2.3": DocumentFormat(_SPDX, "spdx-2.3.json", "spdx2"),
    "spdx-3.0.1": DocumentFormat(_SPDX, "spdx-3.0.1.json", "spdx3"),
    "legal": DocumentFormat(_LEGAL, "legal.tar", "legal", attached=False),
    "legal-sources": DocumentFormat(_LEGAL, "legal.tar", "legal", (True,), attached=False),
}
DEFAULT = "cyclonedx-1.6"


def document(bill: Bill, name: str) -> Iterator[bytes]:
    """Return the pieces of a bill in the format `name`."""
    from importlib import import_module

    form = FORMATS[name]
    module: Any = import_module(f"{__package__}.{form.module}")
    pieces: Iterator[bytes] = module.document(bill, *form.arguments)
    return pieces
