"""Find the stylesheets and schemas of DocBook that a project's documentation is made with. All functions are pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from fpack.builders.debian.contents.needs import PACKAGE, PROGRAM, BuildNeed

from .wanted import BuildRequirement, line_of

# The addresses that Debian's catalogs map to files of these packages.
_ADDRESSES: Mapping[str, str] = {
    "docbook.sourceforge.net/release/xsl/": "docbook-xsl", "docbook.sourceforge.net/release/xsl-ns/": "docbook-xsl-ns",
    "cdn.docbook.org/release/xsl-nons/": "docbook-xsl", "cdn.docbook.org/release/xsl/": "docbook-xsl-ns",
    "www.oasis-open.org/docbook/xml/": "docbook-xml",
}  # fmt: skip
_ADDRESS = re.compile("|".join(map(re.escape, _ADDRESSES)))
_PROCESSORS = frozenset({"xsltproc", "xmllint"})


def stylesheet_needs(wanted: Sequence[BuildRequirement], texts: Mapping[str, str]) -> Iterator[BuildRequirement]:
    """Yield the packages of the addresses in build files, if the build needs a program that reads them."""
    programs = [item for item in wanted if any(n.kind == PROGRAM and n.name in _PROCESSORS for n in item.needs)]
    if not programs:
        return
    required = any(item.required for item in programs)
    for path, text in texts.items():
        for found in _ADDRESS.finditer(text):
            need = BuildNeed(PACKAGE, _ADDRESSES[found[0]])
            yield BuildRequirement((need,), required, f"{path}:{line_of(text, found.start())}", quiet=True)
