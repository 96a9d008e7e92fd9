"""The content of an image as a page has it: complete for small images, the largest files and counts for large ones."""

from __future__ import annotations

from typing import Any

from fpack.builders.manifest.format import ManifestEntry, Origin
from fpack.cli.images.inspect import ImageLayer
from fpack.cli.images.subject import of_file
from fpack.cli.reports import contents
from fpack.cli.reports.contents import OWN, RULES, SCRIPTS
from fpack.cli.reports.image_sections import licence_names
from support.images.greeter import Greeter
from support.images.many_files import BUILT, ManyFiles

DIGEST = b"\xab" * 32


def entry(
    path: str, size: int = 1, part: int | None = 0, origin: Origin | None = None, kind: str = "f"
) -> ManifestEntry:
    return ManifestEntry(path.encode(), kind, 0o644, 0, 0, size, DIGEST, DIGEST, b"t" * (kind == "l"), part, origin)


def read(layers: list[list[ManifestEntry]], most: int = contents.MAX_FILES) -> contents.PageContents:
    sizes = [ImageLayer((), 100, sum(row.size for row in rows)) for rows in layers]
    return contents.read(ManyFiles(layers), sizes, ["sha256:00"] * len(layers), most)  # type: ignore[arg-type]


def paths(coded: list[Any]) -> list[str]:
    """Decode as the page's script does: JavaScript counts UTF-16 units."""
    found, last = [], b""
    for at in range(0, len(coded), 2):
        last = last[: 2 * coded[at]] + coded[at + 1].encode("utf-16-le")
        found.append(last.decode("utf-16-le"))
    return found


def test_files_are_of_packages_builds_scripts_rules_and_the_container() -> None:
    rows = [
        entry("a", 5),
        entry("b", 6, 1),
        entry("c", 7, 2),
        entry("d", 8, 0, Origin("generated", "accounts")),
        entry("e", 9, 0, Origin("configured", "", "hello", "postinst", DIGEST)),
        entry("f", 0, 0, kind="l"),
        entry("g", 0, None, kind="d"),
    ]
    found = read([rows])
    assert [(part.name, part.files, part.size) for part in found.parts] == [
        ("hello", 2, 5), (BUILT, 1, 6), (OWN, 1, 7), (RULES, 1, 8), (SCRIPTS, 1, 9),
    ]  # fmt: skip
    assert [row.path for row in found.files] == ["/a", "/b", "/c", "/d", "/e", "/f"]
    assert (found.total, found.rest, found.files[5].target) == (6, {}, "t")


def test_of_many_files_the_largest_are_named_and_the_others_counted() -> None:
    rows = [[entry(f"{layer}/{n:05}", n) for n in range(1000)] for layer in (0, 1)]
    found = read(rows, 100)
    assert len(found.files) == 100 and min(row.size for row in found.files) == 950 and found.total == 2000
    assert sum(size for _, size in found.rest.values()) + sum(row.size for row in found.files) == 999 * 1000
    assert sum(files for files, _ in found.rest.values()) == 1900
    assert [row.path for row in found.files] == sorted(row.path for row in found.files)


def test_the_script_reads_the_paths_that_were_written() -> None:
    names = ["bin/a", "bin/ab", "bin/\U0001f600a", "bin/\U0001f600b", "bin/é", "z"]
    found = contents.columns(read([[entry(name) for name in sorted(names, key=str.encode)]]))
    assert paths(found["paths"]) == [f"/{name}" for name in sorted(names, key=str.encode)]
    assert found["sha256"] == [DIGEST.hex()] * 6


def test_the_content_of_an_image_is_complete(made: Greeter) -> None:
    subject = of_file(str(made.tar))
    assert subject is not None
    found = contents.read(subject.manifest(), subject.layers(), [""] * len(subject.layers()))
    expected = {f"/{match.file}" for match, _ in subject.files()}
    assert {row.path for row in found.files} == expected and found.total == len(found.files)
    for at, layer in enumerate(found.layers):
        assert sum(part.size for part in found.parts if part.layer == at) == layer.unpacked


def test_operators_of_an_expression_are_no_licences() -> None:
    expression = (
        "(MIT OR GPL-2.0-or-later WITH Bison-exception-2.2) AND ORACLE-1 AND LicenseRef-debian-a AND LicenseRef-b"
    )
    names = {"MIT", "GPL-2.0-or-later", "Bison-exception-2.2", "ORACLE-1", "a text that SPDX does not list"}
    assert licence_names(expression) == names and licence_names("") == set()
