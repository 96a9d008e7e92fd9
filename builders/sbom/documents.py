"""List the formats of bills of materials, and write a bill in one of them.

The module of a format is imported when it is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from .model import Bill

CYCLONEDX = "application/vnd.cyclonedx+json"


class DocumentFormat(NamedTuple):
    """A format. media_type: also the type of the artifact that a registry keeps. module: of this package.

    arguments: of its function `document`, after the bill.
    """

    media_type: str
    suffix: str
    module: str
    arguments: tuple[str, ...] = ()


FORMATS = {
    "cyclonedx-1.6": DocumentFormat(CYCLONEDX, "json", "cyclonedx", ("1.6",)),
    "cyclonedx-1.7": DocumentFormat(CYCLONEDX, "json", "cyclonedx", ("1.7",)),
}
DEFAULT = "cyclonedx-1.6"


def document(bill: Bill, name: str) -> Iterator[bytes]:
    """Return the pieces of a bill in the format `name`."""
    from importlib import import_module

    form = FORMATS[name]
    module: Any = import_module(f"{__package__}.{form.module}")
    pieces: Iterator[bytes] = module.document(bill, *form.arguments)
    return pieces


def file_name(name: str) -> str:
    """Return the name of a document's file, which follows the name of the image."""
    return f"{name}.{FORMATS[name].suffix}"
