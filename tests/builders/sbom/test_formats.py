"""Test the promises of all writers of licences and SPDX: valid text for any input, little memory, small pieces."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator

import pytest
from fpack.builders.sbom import legal, spdx2, spdx3
from fpack.builders.sbom.model import Bill, Licence, LicenceText
from hypothesis import given
from hypothesis import strategies as st
from support.reports import bills
from support.traced_memory import peak_memory

WRITERS: dict[str, Callable[[Bill], Iterator[bytes]]] = {
    "legal": legal.document,
    "spdx-2.3": spdx2.document,
    "spdx-3.0.1": spdx3.document,
}
# What a file of Debian may contain: any text, and bytes that are not UTF-8.
texts = st.text(
    st.characters(exclude_categories=["Cs"]) | st.integers(0xDC80, 0xDCFF).map(chr),
    max_size=30,
)  # fmt: skip


@pytest.mark.parametrize("name", WRITERS)
def test_memory_does_not_grow_with_the_document(name: str) -> None:
    bill = bills.large(3000)

    def write() -> None:
        pieces = largest = size = 0
        for piece in WRITERS[name](bill):
            pieces, largest, size = pieces + 1, max(largest, len(piece)), size + len(piece)
        assert largest < 16_000
        assert pieces > 3000 and size > 300_000

    assert peak_memory(write) < 800_000


@pytest.mark.parametrize("name", WRITERS)
@given(st.lists(texts, min_size=12, max_size=12))
def test_any_text_gives_a_valid_document(name: str, found: list[str]) -> None:
    licence = Licence(found[0], "")
    part = bills.deb("a", "1")._replace(
        name=found[1],
        version=found[2],
        supplier=found[3],
        originator=found[4],
        homepage="https://example.org/" + found[5],
        description=found[6],
        declared=licence,
        copyright=found[7],
        texts=(LicenceText("LicenseRef-x", found[8], found[9]),),
        urls=("https://example.org/" + found[10],),
        file=found[11],
    )
    path = "usr/" + found[0].replace("/", "-").replace("\0", "-")
    files = (bills.file(path, part.ref, copyright=found[1]), bills.file("usr", part.ref, "l", target=found[2]))
    subject = bills.everything().subject
    bill = Bill(subject, (part,), files, (), "0.1.0", 0, bills.SERIAL, True)
    data = b"".join(WRITERS[name](bill))
    if name == "legal":
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            names = archive.getnames()
        assert "packages.csv" in names and not any(item.startswith("/") or ".." in item.split("/") for item in names)
    else:
        json.loads(data.decode())
