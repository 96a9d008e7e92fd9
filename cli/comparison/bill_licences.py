"""Read the declared licences of Debian packages from the bill of materials that is attached to an image file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fpack.builders.verify.findings import Report
from fpack.builders.verify.image_archive import open_archive
from fpack.store.errors import FpackError

if TYPE_CHECKING:
    from fpack.cli.images.image_file import StoredImage

MAX_COMPONENTS = 100_000
_FORMATS = ("cyclonedx-1.7", "cyclonedx-1.6")
_PURL = "pkg:deb/"


def attached_licences(image: StoredImage) -> dict[str, str]:
    """Return the declared licence of each Debian package in a CycloneDX bill of an image, {} if it has none.

    A bill that cannot be read has none: it is no part of the image.
    """
    from fpack.builders.verify import documents
    from fpack.cli.images.file_bills import attached

    try:
        with contextlib.closing(open_archive(image.file, Report())) as archive:
            found = (attached(archive, image, name) for name in _FORMATS if image.digest)
            data = next((bill for bill in found if bill is not None), None)
        return dict(_of_bill(documents.parse(data, str(image.file)))) if data is not None else {}
    except FpackError:
        return {}


def _of_bill(bill: Any) -> Iterator[tuple[str, str]]:
    components = bill.get("components") if isinstance(bill, Mapping) else None
    for component in components[:MAX_COMPONENTS] if isinstance(components, list) else ():
        if not isinstance(component, Mapping):
            continue
        name, purl = component.get("name"), component.get("purl")
        if isinstance(name, str) and isinstance(purl, str) and purl.startswith(_PURL) and "arch=source" not in purl:
            licence = " AND ".join(_declared(component.get("licenses")))
            if licence:
                yield name, licence


def _declared(licences: Any) -> Iterator[str]:
    """Yield the licences that a component declares: expressions, and names of those without one."""
    for item in licences[:MAX_COMPONENTS] if isinstance(licences, list) else ():
        if not isinstance(item, Mapping):
            continue
        of_item = item.get("license")
        about = of_item if isinstance(of_item, Mapping) else item
        if about.get("acknowledgement") == "declared":
            text = item.get("expression") or about.get("id") or about.get("name")
            if isinstance(text, str):
                yield text
