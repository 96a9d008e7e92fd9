"""Write a bill of materials for lawyers: a tar archive of tables, licence texts and copyright notices.

- `README.txt` describes the other files.
- `packages.csv` has a row for each package in the image, and `build-packages.csv` for each that only builds used.
- `files.csv` has a row for each file whose licence or copyright its package states.
- `licences/ID.txt` has the text of each licence that is not on SPDX's list.
- `copyright/KIND/NAME_VERSION_ARCH.txt` has the copyright notices of a package.
- `copyright-files/KIND/NAME_VERSION_ARCH.txt` is the package's whole copyright file.
- `sources.csv`, if asked for, has a row for each file of each source package.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from urllib.parse import quote

from ..manifest.format import DIRECTORY
from ..streams import tar_writer
from ..streams.tar_writer import FILE, TarEntry
from .model import BUILT_USING, GENERATED_FROM, NO_NOTICE, Bill, Component
from .spdx import Licences, clean, components, path_bytes

MEDIA_TYPE = "application/x-tar"
_SOURCES = ("deb-source", "source")
_NAME_MAX = 200  # characters of a file's name
_PIECE = 8 << 10  # bytes
_PACKAGES = (
    *("package", "version", "architecture", "kind", "source", "source version"),
    *(
        "declared licence",
        "declared as",
        "effective licence",
        "effective as",
        "files",
        "copyright notices",
        "copyright file",
        "urls",
    ),
)
_FILES = ("path", "package", "version", "licence", "licence as", "copyright")
_SOURCE_FILES = ("source", "version", "kind", "file", "size", "sha256", "sha512", "url", "packages", "included in")
_README = """\
Licences of the image {name}, written by fpack {tool}.

packages.csv        the packages in the image
build-packages.csv  the packages that only builds used; they are not in the image
files.csv           the files whose licence or copyright their package states
licences/           texts of the licences that are not on SPDX's list, by the name in the tables
copyright/          copyright notices of the packages
copyright-files/    the whole copyright files of the packages, as they are in them
"""
_README_SOURCES = "sources.csv         the source packages and where they are\n"
_README_END = """
Licences are SPDX expressions. An empty field means that the licence is not known. "declared as" is the name in the
package's copyright file. Texts of licences on SPDX's list are at https://spdx.org/licenses/.
"""

Row = Sequence[str | int]


def document(bill: Bill, sources: bool = False) -> Iterator[bytes]:
    """Yield the archive of `bill` in pieces. sources: whether to list the source packages."""
    licences = Licences(bill)
    names = _names(bill)
    about = _README.format(name=clean(bill.subject.name), tool=bill.tool)
    about += (_README_SOURCES if sources else "") + _README_END
    yield from _member("README.txt", [about.encode()])
    tools = [component for component in bill.components if component.build_only]
    shipped = [part for part in components(bill) if not part.build_only and part.kind not in _SOURCES]
    yield from _table("build-packages.csv", _PACKAGES, lambda: _packages(bill, tools, licences, names))
    for component in components(bill):
        if component.copyright not in ("", NO_NOTICE):
            yield from _member(f"copyright/{names[component.ref]}", [clean(component.copyright).encode() + b"\n"])
        if component.copyright_file:
            yield from _member(f"copyright-files/{names[component.ref]}", _pieces(component.copyright_file))
    yield from _table("files.csv", _FILES, lambda: _files(bill, licences))
    for key, text in sorted(licences.texts.items()):
        yield from _member(f"licences/{key}.txt", [clean(text.text).encode()])
    yield from _table("packages.csv", _PACKAGES, lambda: _packages(bill, shipped, licences, names))
    if sources:
        yield from _table("sources.csv", _SOURCE_FILES, lambda: _source_files(bill))
    yield tar_writer.END


# ---- tables


def _packages(bill: Bill, listed: Sequence[Component], licences: Licences, names: dict[str, str]) -> Iterator[Row]:
    by_ref = {component.ref: component for component in bill.components}
    origins = {start: by_ref[end] for start, kind, end in reversed(bill.relations) if kind == GENERATED_FROM}
    counts: dict[str, int] = {}
    for file in bill.files:
        if file.kind != DIRECTORY:
            owner = file.component or bill.subject.ref
            counts[owner] = counts.get(owner, 0) + 1
    for part in listed:
        origin = origins.get(part.ref)
        yield (
            *(part.name, part.version, part.arch, part.kind),
            *((origin.name, origin.version) if origin else ("", "")),
            licences.expression(part.ref, part.declared.expression),
            part.declared.original,
            licences.expression(part.ref, part.effective.expression),
            part.effective.original,
            counts.get(part.ref, 0),
            f"copyright/{names[part.ref]}" if part.copyright not in ("", NO_NOTICE) else "",
            f"copyright-files/{names[part.ref]}" if part.copyright_file else "",
            " ".join(part.urls),
        )


def _files(bill: Bill, licences: Licences) -> Iterator[Row]:
    by_ref = {component.ref: component for component in components(bill)}
    for file in bill.files:
        if file.licence.expression or file.licence.original or file.copyright:
            owner = by_ref[file.component or bill.subject.ref]
            expression = licences.expression(owner.ref, file.licence.expression)
            yield f"/{file.path}", owner.name, owner.version, expression, file.licence.original, file.copyright


def _source_files(bill: Bill) -> Iterator[Row]:
    """Yield a row for each URL of a source package, with the packages that were made from it."""
    by_ref = {component.ref: component for component in components(bill)}
    used: dict[tuple[str, str], set[str]] = {}
    for start, kind, end in bill.relations:
        used.setdefault((end, kind), set()).add(f"{by_ref[start].name} {by_ref[start].version}".strip())
    for part in bill.components:
        if part.kind in _SOURCES:
            uses = [", ".join(sorted(used.get((part.ref, use), ()))) for use in (GENERATED_FROM, BUILT_USING)]
            about = (part.file, part.size or "", part.hashes.sha256, part.hashes.sha512)
            for url in part.urls or ("",):
                yield (part.name, part.version, part.kind, *about, url, *uses)


def _table(name: str, head: Row, rows: Callable[[], Iterable[Row]]) -> Iterator[bytes]:
    """Yield a table as a member. `rows` is called twice, since a member's size comes before its content."""

    def lines() -> Iterator[bytes]:
        yield _line(head)
        yield from map(_line, rows())

    yield from _member(name, lines(), sum(map(len, lines())))


def _line(row: Row) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow([_cell(clean(str(item))) for item in row])
    return text.getvalue().encode()


def _cell(text: str) -> str:
    """Return a cell that a spreadsheet shows as text, also if a package's notice begins like a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


# ---- members of the archive


def _member(name: str, content: Iterable[bytes], size: int = -1) -> Iterator[bytes]:
    """Yield a file. content: a list, unless its `size` in bytes is given."""
    if size < 0:
        size = sum(map(len, content))
    yield tar_writer.header(TarEntry(name.encode(), FILE, 0o644, size=size))
    yield from content
    yield tar_writer.padding(size)


def _pieces(data: bytes) -> list[bytes]:
    return [data[at : at + _PIECE] for at in range(0, len(data), _PIECE)]


def _names(bill: Bill) -> dict[str, str]:
    """Return the name of the files of each component that has copyright notices or a copyright file, by its ref."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for component in components(bill):
        if component.copyright in ("", NO_NOTICE) and not component.copyright_file:
            continue
        words = [word for word in (component.name, component.version, component.arch) if word]
        name = quote(path_bytes("_".join(words)), safe="+~@ ")
        if len(name) > _NAME_MAX or f"{component.kind}/{name}" in taken:
            name = f"{name[:_NAME_MAX]}-{hashlib.sha256(component.ref.encode()).hexdigest()[:16]}"
        taken.add(f"{component.kind}/{name}")
        names[component.ref] = f"{component.kind}/{name}.txt"
    return names
