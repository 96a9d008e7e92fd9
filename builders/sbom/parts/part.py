"""Define what a package of a language states of itself, and add it to a component."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..model import Component, Hashes, Licence, LicenceText

MAX_TEXT = 1024  # of a field
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class PartFacts(NamedTuple):
    """The statements of a package. supplier, originator: lines of `NAME <ADDRESS>`. hashes: of its archive, or none.

    file: the name of the archive, or "". kind, name, version: of its component; "" if whoever asks for it knows them.
    """

    kind: str = ""
    name: str = ""
    version: str = ""
    supplier: str = ""
    originator: str = ""
    homepage: str = ""
    description: str = ""
    licence: Licence = Licence()
    copyright: str = ""
    texts: tuple[LicenceText, ...] = ()
    hashes: Hashes = Hashes()
    size: int = 0
    file: str = ""


def stated(component: Component, part: PartFacts | None) -> Component:
    """Return a component with what its package states. What the component already says counts."""
    if part is None:
        return component
    own = component.declared.original or component.declared.expression
    return component._replace(
        supplier=component.supplier or part.supplier,
        originator=component.originator or part.originator,
        homepage=component.homepage or part.homepage,
        description=component.description or part.description,
        declared=component.declared if own else part.licence,
        effective=component.effective if own else part.licence,
        copyright=component.copyright or part.copyright,
        texts=component.texts if own else part.texts,
        hashes=part.hashes if part.hashes.sha512 else component.hashes,
        size=component.size or part.size,
        file=component.file or part.file,
    )


def line(value: object) -> str:
    """Return a text of a package as one line of limited length, and "" for anything else."""
    text = " ".join(value.split()) if isinstance(value, str) else ""
    return _CONTROL.sub("\ufffd", text)[:MAX_TEXT]
