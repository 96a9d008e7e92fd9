"""The manifest of a base in the manifest of an image: its numbers are bounded, and each is that of a layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fpack.builders.audit.inventory import inventory
from fpack.builders.manifest import base_manifest
from fpack.builders.manifest.base_packages import BasePackage, BasePackages
from fpack.builders.manifest.encoding import encode_entry, encode_head, head_value
from fpack.builders.manifest.format import (
    BaseManifest,
    BaseRecord,
    Blob,
    Claims,
    Head,
    LockPart,
    ManifestEntry,
    ManifestError,
    ManifestImage,
    ManifestLayer,
    PathOrigin,
)
from fpack.builders.manifest.head import MAX_DEPTH, parse_head
from fpack.builders.manifest.reader import ManifestReader
from fpack.builders.protocol import Cancelled

SHA = f"sha256:{'0' * 64}"
STORE = f"/fpack/store/{'0' * 32}"
BLOB = Blob("m", SHA, 1)
ROWS = [
    ManifestEntry(name.encode(), "f", 0o644, 0, 0, 1, b"b" * 32, b"s" * 32, b"", 0, None) for name in ("a", "b", "c")
]
LAYER = ManifestLayer(BLOB, SHA, 9, f"{STORE}-layer", "cd" * 20, ((f"{STORE}-a", ""),), len(ROWS))


def record(own: BaseManifest) -> BaseRecord:
    return BaseRecord(f"host/base@{SHA}", SHA, 1, (b"{}",), own=own)


def head(base: BaseRecord | None = None, paths: tuple[PathOrigin, ...] = ()) -> Head:
    return Head(
        fpack="0.1.0",
        image=ManifestImage("x", "1", "amd64", f"{STORE}-x", "ab" * 20, BLOB, BLOB, {}, {}),
        layers=(LAYER,),
        paths=paths or (PathOrigin(f"{STORE}-a", None, "hello", "1.0"),),
        sources=(),
        lock=LockPart("", "", (), (), ()),
        derivations=0,
        claims=Claims(),
        base=base,
    )


def own(below: Head, *runs: tuple[int, int], owners: tuple[str, ...] = ("hello",)) -> BaseManifest:
    return BaseManifest(BLOB, below, owners, (runs or ((len(ROWS), 0),),))


def value(made: BaseManifest) -> Any:
    return head_value(head(record(made)))


def compare(made: Head, check: Callable[[], None] = lambda: None) -> BaseManifest:
    reader = ManifestReader(b"".join([encode_head(made), *map(encode_entry, ROWS)]))
    return base_manifest.compare(reader, BLOB, BaseRecord(f"host/base@{SHA}", SHA, 1), [LAYER], [ROWS], check)


@pytest.mark.parametrize("runs", [[(4, 0)], [(2, 0), (2, 0)], [(500_000, 0)] * 1000])
def test_a_layer_has_no_more_files_than_entries(runs: list[tuple[int, int]]) -> None:
    with pytest.raises(ManifestError) as error:
        parse_head(value(own(head(), *runs)))
    assert "files of the manifest of the base is" in error.value.why


def test_an_owner_is_listed_once() -> None:
    with pytest.raises(ManifestError) as error:
        parse_head(value(own(head(), (3, 1), owners=("hello", "hello"))))
    assert error.value.why == "it lists an owner of the base's files twice"


def test_files_of_a_base_of_a_base_keep_their_package() -> None:
    assert compare(head(record(own(head(), (2, 0), (1, 1), owners=("hello", ""))))).files == (((2, 0), (1, 1)),)


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_files_of_a_base_of_a_base_would_move_to_other_packages(count: int) -> None:
    with pytest.raises(ManifestError) as error:
        compare(head(record(own(head(), (count, 0)))))
    assert error.value.why == "the manifest of its base has another number of files in a layer"


def test_a_comparison_can_be_cancelled() -> None:
    def cancel() -> None:
        raise Cancelled("The build was cancelled")

    with pytest.raises(Cancelled):
        compare(head(), cancel)


def nested(depth: int) -> Head:
    """Return the head of an image on so many bases."""
    made = head()
    for _ in range(depth):
        made = head(record(own(made)))
    return made


def test_bases_are_nested_to_a_limit() -> None:
    assert parse_head(head_value(nested(MAX_DEPTH))) == nested(MAX_DEPTH)
    with pytest.raises(ManifestError) as error:
        parse_head(head_value(nested(MAX_DEPTH + 1)))
    assert error.value.why == f"the image stands on more than {MAX_DEPTH} bases"
    compare(nested(MAX_DEPTH - 1))
    with pytest.raises(ManifestError) as error:
        compare(nested(MAX_DEPTH))
    assert error.value.why == f"the image stands on more than {MAX_DEPTH} bases"


class _Counted(str):
    """A name that counts comparisons."""

    count = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        _Counted.count += 1
        return str.__eq__(self, other)


def test_packages_are_looked_up_among_many_owners() -> None:
    paths = tuple(PathOrigin(f"{STORE}-{n:04}", None, f"p{n:04}", "1.0") for n in range(1000))
    owners = tuple(_Counted(path.package) for path in paths)
    base_manifest.packages(record(own(head(paths=paths), owners=owners)))
    assert _Counted.count < 10 * len(owners)


DEBIAN = BasePackages(packages=(BasePackage("deb", "hello", "1.0", "amd64", "hello", "1.0"),))
ALONE = "only its own manifest, which nobody signed, tells of them"


@pytest.mark.parametrize(
    ("listed", "reasons"),
    [
        (DEBIAN, None),
        (BasePackages(), (ALONE,)),
        (None, (ALONE,)),
        (DEBIAN._replace(unread=("x is too large",)), (ALONE, "x is too large")),
    ],
)
def test_a_manifest_that_nobody_signed_does_not_make_packages_known(
    listed: BasePackages | None, reasons: tuple[str, ...] | None
) -> None:
    base = record(own(head()))._replace(packages=listed)
    found = inventory(ManifestReader(b"".join([encode_head(head(base)), *map(encode_entry, ROWS)])), {})
    assert (found.base, found.base_unread) == ((base.name, reasons) if reasons else ("", ()))
