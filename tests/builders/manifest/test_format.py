"""The manifest's format: one encoding for each manifest, no other is read, and nothing in it can break a reader."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.manifest import json_form
from fpack.builders.manifest.encoding import encode_entry, encode_head
from fpack.builders.manifest.format import (
    DIRECTORY,
    FILE,
    MTIME,
    SYMLINK,
    Blob,
    Claims,
    ExcludedPath,
    Head,
    LockedIndex,
    LockedPackage,
    LockedSuite,
    LockPart,
    ManifestEntry,
    ManifestError,
    ManifestImage,
    ManifestLayer,
    ManifestSource,
    Origin,
    PackageReason,
    PathMeta,
    PathOrigin,
)
from fpack.builders.manifest.reader import ManifestReader
from fpack.builders.verify import manifest_loading
from fpack.builders.verify.evidence.local import LocalEvidence
from fpack.builders.verify.verify import verify
from fpack.store import canonical
from fpack.store.derivation import Derivation, Output, digest
from support.paths import OLD_IMAGE

STORE = "/fpack/store/" + "0" * 32
SHA = "sha256:" + "ab" * 32


def entry(path: str | bytes, kind: str = FILE, **more: Any) -> ManifestEntry:
    name = path.encode() if isinstance(path, str) else path
    hashed = {FILE: b"h" * 32}.get(kind, b"")
    made = ManifestEntry(
        name, kind, 0o755, 0, 0, 3 if kind == FILE else 0, hashed, hashed, b"", None if kind == DIRECTORY else 0
    )
    return made._replace(**({"target": b"to"} if kind == SYMLINK else {}))._replace(**more)


ENTRIES = [
    entry("", DIRECTORY),
    entry("etc", DIRECTORY),
    entry("etc/passwd", part=0, mode=0o4755, uid=7, gid=8),
    entry(b"etc/\xff\xfe", part=0),
    entry("ünï", SYMLINK, target=b"\xe9", part=0),
]
# The same in format 2: origins, and paths that are left out.
PASSWD = Origin("generated", rule="accounts")
SCRIPT = Origin("configured", package="libc-bin", script="postinst", sha256=b"s" * 32)
NEWER = [
    *ENTRIES[:2],
    ENTRIES[2]._replace(origin=PASSWD),
    ENTRIES[3]._replace(origin=SCRIPT),
    entry("tmp", DIRECTORY, part=0, origin=Origin("generated", rule="directories")),
    ENTRIES[4],
]
LEFT_OUT = (ExcludedPath(0, b"etc/motd", "files", ""), ExcludedPath(0, b"etc/\xfe", "replaced", "base-files"))
INNER = Derivation("fetch", "hello.deb", {"urls": ["mirror://x"], "sha256": "ab" * 32, "size": 5})
OUTER = Derivation(
    "odd", "hello", {"$bytes": "aa", "data": b"\xff", "nested": [{"$x": None}, True]}, (Output(digest(INNER.encode())),)
)


def head(**more: Any) -> Head:
    made = Head(
        fpack="0.1.0",
        image=ManifestImage(
            name="hello",
            tag="1",
            arch="amd64",
            path=f"{STORE}-hello",
            derivation="ab" * 20,
            manifest=Blob("m", SHA, 3),
            config=Blob("c", SHA, 4),
            configuration={"os": "linux", "history": [{"created_by": "é"}]},
            codec={"name": "none"},
        ),
        layers=(
            ManifestLayer(Blob("l", SHA, 9), SHA, 99, f"{STORE}-layer", "cd" * 20, ((f"{STORE}-a", ""),), len(ENTRIES)),
        ),
        paths=(PathOrigin(f"{STORE}-a", "ef" * 20, "hello", "1.0"),),
        sources=(
            ManifestSource("ab" * 20, "fetch", "hello.deb", ("mirror://x",), "ab" * 32, 5, ""),
            ManifestSource("cd" * 20, "npm", "left-1.0.0.tgz", (), "", None, "", ("sha512-AAAA",)),
        ),
        lock=LockPart(
            "trixie",
            "amd64",
            (LockedSuite("trixie", "debian", 1, None, "ab" * 32),),
            (LockedIndex("trixie", "ab" * 32, 4, "cd" * 32, 2, "main/x"),),
            (LockedPackage("hello", "1.0", "amd64", "hello", "1.0", "debian", 1, 5, "ab" * 32, "pool/x.deb"),),
        ),
        derivations=2,
        format=1,
    )
    return made._replace(**more)


def newer(**more: Any) -> Head:
    """Return the head in format 2."""
    layer = head().layers[0]._replace(entries=len(NEWER), excluded=LEFT_OUT)
    made = head()._replace(format=2, layers=(layer,), executor="local", claims=Claims(package=1, generated=2))
    return made._replace(**more)


def explained(reason: PackageReason, *needs: str, **more: Any) -> Head:
    """Return the newer head with the reason of its package."""
    path = PathOrigin(f"{STORE}-a", "ef" * 20, "hello", "1.0", reason, needs)
    return newer(**{"paths": (path,), **more})


def encoded(made: Head | None = None, entries: list[ManifestEntry] | None = None) -> bytes:
    made = made or head()
    bodies = sorted((INNER.encode(), OUTER.encode()), key=digest)
    rows = (ENTRIES if made.format == 1 else NEWER) if entries is None else entries
    return b"".join([encode_head(made), *bodies, *(encode_entry(row, made.format) for row in rows)])


def raw(made: Head, *rows: Any) -> bytes:
    """Return a manifest with entries of any form."""
    made = made._replace(layers=(made.layers[0]._replace(entries=len(rows)),))
    return encoded(made, []) + b"".join(map(canonical.encode, rows))


def everything(reader: ManifestReader) -> list[tuple[ManifestLayer, list[ManifestEntry]]]:
    return [(layer, list(rows)) for layer, rows in reader.entries()]


def test_what_was_written_is_read() -> None:
    reader = ManifestReader(encoded())
    assert reader.head == head()
    assert {made.name for made in reader.derivations.values()} == {"hello", "hello.deb"}
    ((layer, rows),) = everything(reader)
    assert layer == head().layers[0] and rows == ENTRIES
    reader = ManifestReader(encoded(newer()))
    assert reader.head == newer() and everything(reader) == [(newer().layers[0], NEWER)]


def test_json_says_the_same_and_comes_back() -> None:
    text = b"".join(json_form.render(ManifestReader(encoded())))
    assert b"".join(json_form.parse(text)) == encoded()
    value = json.loads(text)
    rows = value["layers"][0]["entries"]
    assert [row["path"] for row in rows] == ["/", "/etc", "/etc/passwd", {"$bytes": b"/etc/\xff\xfe".hex()}, "/ünï"]
    assert rows[2]["mode"] == "4755" and rows[2]["from"] == f"{STORE}-a" and rows[0]["from"] is None
    args = next(made["args"] for made in value["derivations"] if made["kind"] == "odd")
    assert args == {"$$bytes": "aa", "data": {"$bytes": "ff"}, "nested": [{"$$x": None}, True]}


def test_json_of_format_2_comes_back() -> None:
    text = b"".join(json_form.render(ManifestReader(encoded(newer()))))
    assert b"".join(json_form.parse(text)) == encoded(newer())
    value = json.loads(text)
    assert value["claims"] == {"package": 1, "built": 0, "files": 0, "generated": 2, "configured": 0}
    (layer,) = value["layers"]
    origins = {str(row["path"]): row.get("origin") for row in layer["entries"]}
    assert origins["/etc/passwd"] == {"generated": "accounts"} and origins["/etc"] is None
    about = {"package": "libc-bin", "script": "postinst", "sha256": (b"s" * 32).hex()}
    assert {"configured": about} in origins.values()
    assert layer["excluded"] == [
        {"part": 0, "path": "etc/motd", "reason": "files", "by": ""},
        {"part": 0, "path": {"$bytes": b"etc/\xfe".hex()}, "reason": "replaced", "by": "base-files"},
    ]
    for change in ({"executor": 7}, {"claims": {}}, {"format": 1}, {"claims": {**value["claims"], "package": -1}}):
        with pytest.raises(ManifestError):
            b"".join(json_form.parse(json.dumps({**value, **change}).encode()))


def test_the_reason_of_a_package_is_optional() -> None:
    reason = PackageReason("dash", "needed", "/usr/bin/dash", "libhello.so.1")
    made = explained(reason, "dash", "libc6")
    data = encoded(made)
    assert ManifestReader(data).head == made
    text = b"".join(json_form.render(ManifestReader(data)))
    assert b"".join(json_form.parse(text)) == data
    (path,) = json.loads(text)["paths"]
    assert path["reason"] == reason._asdict() and path["needs"] == ["dash", "libc6"]
    assert (
        not {"reason", "needs"}
        & json.loads(b"".join(json_form.render(ManifestReader(encoded(newer())))))["paths"][0].keys()
    )


SEED = PackageReason("", "seed", "", "")
WRONG_REASONS = {
    "in format 1": explained(SEED, format=1),
    "of no package": explained(SEED)._replace(paths=(explained(SEED).paths[0]._replace(package=""),)),
    "by no package": explained(SEED._replace(by="Some One")),
    "of no kind": explained(SEED._replace(kind="")),
    "a number for a file": explained(SEED._replace(file=7)),  # type: ignore[arg-type]
    "needs that are not sorted": explained(SEED, "b", "a"),
    "needs twice": explained(SEED, "a", "a"),
    "needs that are no package": explained(SEED, "../a"),
}


@pytest.mark.parametrize("name", WRONG_REASONS)
def test_wrong_reasons_are_refused(name: str) -> None:
    with pytest.raises(ManifestError):
        ManifestReader(encoded(WRONG_REASONS[name]))


META = PathMeta(f"{STORE}-a", "https://a.example.org/", "A", "MIT", ("Ann <a@example.org>",), "Bob", "cpe:x", "pkg:x/a")
OF_IMAGE = PathMeta(f"{STORE}-hello", licence="MIT")


def test_what_packages_say_of_themselves_is_optional() -> None:
    made = newer(meta=(META, OF_IMAGE))
    data = encoded(made)
    assert ManifestReader(data).head == made
    text = b"".join(json_form.render(ManifestReader(data)))
    assert b"".join(json_form.parse(text)) == data
    assert json.loads(text)["meta"][0] == {**META._asdict(), "maintainers": ["Ann <a@example.org>"]}
    assert "meta" not in json.loads(b"".join(json_form.render(ManifestReader(encoded(newer())))))


@pytest.mark.parametrize(
    "made",
    [
        newer(meta=(OF_IMAGE, META)),
        newer(meta=(META, META)),
        newer(meta=(META._replace(path=f"{STORE}-other"),)),
        newer(meta=(META._replace(licence=7),)),  # type: ignore[arg-type]
        newer(meta=(META._replace(maintainers=(7,)),)),  # type: ignore[arg-type]
        newer(meta=(META._replace(description="a\x1b[31m"),)),
        newer(meta=(META._replace(maintainers=("a\nb",)),)),
        newer(meta=(META._replace(homepage="h" * 1001),)),
        newer(meta=(META,), format=1),
    ],
)
def test_wrong_words_of_packages_are_refused(made: Head) -> None:
    with pytest.raises(ManifestError):
        ManifestReader(encoded(made))


def test_json_of_format_1_has_nothing_of_format_2() -> None:
    value = json.loads(b"".join(json_form.render(ManifestReader(encoded()))))
    assert not value.keys() & {"executor", "claims"} and "excluded" not in value["layers"][0]
    for row in value["layers"][0]["entries"][2:]:
        assert "origin" not in row
        row["origin"] = {"generated": "accounts"}
        with pytest.raises(ManifestError, match="not in the form that fpack writes"):
            b"".join(json_form.parse(json.dumps(value).encode()))
        del row["origin"]


ROW = list(entry("etc/x", part=0))[:10]
WRONG_ROWS = {
    "no origin at all": ROW,
    "a field more": [*ROW, None, None],
    "a number": [*ROW, 7],
    "a text": [*ROW, "generated"],
    "an empty list": [*ROW, []],
    "no rule": [*ROW, ["generated"]],
    "an empty rule": [*ROW, ["generated", ""]],
    "a rule that is no name": [*ROW, ["generated", "../x"]],
    "a rule of bytes": [*ROW, ["generated", b"accounts"]],
    "a rule and more": [*ROW, ["generated", "accounts", None]],
    "an unknown kind": [*ROW, ["signed", "accounts"]],
    "a script without a digest": [*ROW, ["configured", "libc-bin", "postinst"]],
    "a script with a short digest": [*ROW, ["configured", "libc-bin", "postinst", b"x"]],
    "an unknown script": [*ROW, ["configured", "libc-bin", "evil", b"s" * 32]],
    "a package that is no name": [*ROW, ["configured", "Libc Bin", "postinst", b"s" * 32]],
    "a file of no part": [*ROW[:9], None, None],
    "a generated directory of no part": [*list(entry("x", DIRECTORY))[:10], ["generated", "directories"]],
}


@pytest.mark.parametrize("name", WRONG_ROWS)
def test_wrong_origins_are_refused(name: str) -> None:
    with pytest.raises(ManifestError):
        everything(ManifestReader(raw(newer(), WRONG_ROWS[name])))
    assert everything(ManifestReader(raw(newer(), [*ROW, ["generated", "accounts"]])))


@pytest.mark.parametrize("kind", [FILE, SYMLINK])
@pytest.mark.parametrize("number", [1, 2])
def test_only_a_directory_comes_from_no_part(kind: str, number: int) -> None:
    made = newer() if number > 1 else head()
    for part, fine in ((0, True), (None, False)):
        data = encoded(made._replace(layers=(made.layers[0]._replace(entries=1),)), [entry("x", kind, part=part)])
        if fine:
            assert everything(ManifestReader(data))
            continue
        with pytest.raises(ManifestError, match="is inconsistent"):
            everything(ManifestReader(data))


def test_what_a_layer_leaves_out_is_checked() -> None:
    def left_out(*rows: ExcludedPath) -> bytes:
        return encoded(newer(layers=(newer().layers[0]._replace(excluded=rows),)))

    fine = ExcludedPath(0, b"x", "same", "hello")
    assert ManifestReader(left_out(fine)).head.layers[0].excluded == (fine,)
    for row in (
        fine._replace(part=1),
        fine._replace(path=b""),
        fine._replace(path=b"../x"),
        fine._replace(reason="because"),
    ):
        with pytest.raises(ManifestError):
            ManifestReader(left_out(row))
    for rows in ((fine, fine), (fine, fine._replace(path=b"a"))):
        with pytest.raises(ManifestError, match="not sorted"):
            ManifestReader(left_out(*rows))
    value = canonical.decode(encode_head(newer()))
    bodies = encoded(newer(), [])[len(encode_head(newer())) :]
    for path in ({"$bytes": "x"}, {"$bytes": b"text".hex()}, {"$bytes": 7}, {}, None, 7):
        value["layers"][0]["excluded"] = [{"part": 0, "path": path, "reason": "same", "by": ""}]
        with pytest.raises(ManifestError):
            ManifestReader(canonical.encode(value) + bodies)


def test_an_image_of_format_1_is_read_for_ever() -> None:
    """One that was packed by the fpack that wrote format 1."""
    outcome = verify(OLD_IMAGE, [], [], LocalEvidence(None, Path("/nonexistent")))
    (part,) = outcome.images
    assert part.head.format == 1 and not outcome.report.findings
    assert (part.checked.layers, part.checked.entries, len(part.packages)) == (9, 108, 5)


def test_a_layer_need_not_be_read_to_come_to_the_next() -> None:
    reader = ManifestReader(encoded())
    assert [layer.entries for layer, _ in reader.entries()] == [len(ENTRIES)]
    broken = ManifestReader(encoded(entries=[*ENTRIES[:-1], entry("a", part=0)]))
    with pytest.raises(ManifestError, match="not sorted"):
        for _ in broken.entries():
            pass


WRONG_ENTRIES = {
    "a path that climbs": entry("../x"),
    "an absolute path": entry("/x"),
    "a double slash": entry("a//x"),
    "a NUL": entry("a\0"),
    "a file without a name": entry(""),
    "a path of a great many directories": entry("/".join("a" * 101)),
    "a number for a path": entry("x")._replace(path=7),  # type: ignore[arg-type]
    "an unknown kind": entry("x", kind="z"),
    "a mode out of range": entry("x", mode=0o10000),
    "an owner out of range": entry("x", uid=1 << 32),
    "a negative size": entry("x", size=-1),
    "a true size": entry("x", size=True),
    "a directory with a size": entry("x", DIRECTORY, size=1),
    "a file without a digest": entry("x", sha256=b""),
    "a short digest": entry("x", blake3=b"x" * 31),
    "a symlink without a target": entry("x", SYMLINK, target=b""),
    "a file with a target": entry("x", target=b"y"),
    "a part that is not there": entry("x", part=1),
    "an endless target": entry("x", SYMLINK, target=b"x" * 20_000),
}


@pytest.mark.parametrize("name", WRONG_ENTRIES)
def test_wrong_entries_are_refused(name: str) -> None:
    layer = head().layers[0]._replace(entries=1)
    reader = ManifestReader(encoded(head(layers=(layer,)), [WRONG_ENTRIES[name]]))
    with pytest.raises(ManifestError):
        everything(reader)


def heads() -> Iterator[tuple[str, Any]]:
    image = head().image
    yield "a digest that climbs", head(image=image._replace(manifest=Blob("m", "sha256:../../etc/passwd", 3)))
    yield "a digest in capitals", head(image=image._replace(manifest=Blob("m", SHA.upper(), 3)))
    yield "a negative size", head(image=image._replace(config=Blob("m", SHA, -3)))
    yield "a path outside the store", head(paths=(PathOrigin("/etc/passwd", None, "", ""),))
    yield "a path below one", head(paths=(PathOrigin(f"{STORE}-a/../../x", None, "", ""),))
    yield "paths that are not sorted", head(paths=(*head().paths, *head().paths))
    yield "a part of no path", head(paths=())
    yield "a prefix elsewhere", head(layers=(head().layers[0]._replace(parts=((f"{STORE}-a", "/etc"),)),))
    yield "endless entries", head(layers=(head().layers[0]._replace(entries=1 << 40),))
    yield "endless derivations", head(derivations=1 << 40)
    yield "endless layers", head(layers=head().layers * 1001)
    yield "endless paths", head(paths=tuple(PathOrigin(f"{STORE}-{n:06}", None, "", "") for n in range(50_001)))
    suite, package = head().lock.suites[0], head().lock.packages[0]
    for change in ({"date": 1 << 50}, {"until": 1 << 50}):
        yield f"a suite of {change}", head(lock=head().lock._replace(suites=(suite._replace(**change),)))
    yield "a package of no date", head(lock=head().lock._replace(packages=(package._replace(date=1 << 50),)))
    yield "a source of no kind", head(sources=(head().sources[0]._replace(kind="x"),))
    yield "a source with hashes of no text", head(sources=(head().sources[1]._replace(hashes=(5,)),))
    yield "more derivations than there are", head(derivations=3)
    yield "fewer derivations than there are", head(derivations=1)


@pytest.mark.parametrize(("name", "made"), list(heads()))
def test_wrong_heads_are_refused(name: str, made: Head) -> None:
    with pytest.raises(ManifestError):
        everything(ManifestReader(encoded(made)))


def test_other_formats_times_and_fields_are_refused() -> None:
    value = canonical.decode(encode_head(head()))
    for change in (
        {"format": 3},
        {"format": 0},
        {"format": True},
        {"executor": ""},
        {"mtime": MTIME + 1},
        {"more": 1},
        {"image": None},
        {"layers": {}},
    ):
        with pytest.raises(ManifestError):
            ManifestReader(canonical.encode({**value, **change}))
    with pytest.raises(ManifestError, match="format"):
        ManifestReader(canonical.encode([1]))


def test_what_is_cut_off_or_goes_on_is_refused() -> None:
    data = encoded()
    for end in (0, 1, 100, len(data) // 2, len(data) - 1):
        with pytest.raises(ManifestError):
            everything(ManifestReader(data[:end]))
    with pytest.raises(ManifestError, match="data after its end"):
        everything(ManifestReader(data + b"\0"))


def test_another_encoding_of_the_same_is_refused() -> None:
    data = encoded()
    # 0x03, the size, as a byte of its own.
    assert data.endswith(b"") and data.count(b"\xcc\x03") == 0
    rows = b"".join(encode_entry(row, 1) for row in ENTRIES)
    long = rows.replace(b"\x03\xc4\x20", b"\xcc\x03\xc4\x20", 1)
    assert long != rows
    with pytest.raises(ManifestError, match="canonical"):
        everything(ManifestReader(data.replace(rows, long)))


def test_derivations_stand_in_order_and_once() -> None:
    first, second = sorted((INNER.encode(), OUTER.encode()), key=digest)
    rows = b"".join(encode_entry(row, 1) for row in ENTRIES)
    for bodies in ((second, first), (first, first)):
        with pytest.raises(ManifestError, match="sorted"):
            ManifestReader(b"".join([encode_head(head()), *bodies, rows]))


@pytest.mark.parametrize("made", [head(), newer()], ids=["format 1", "format 2"])
def test_random_damage_is_an_error_or_another_manifest(made: Head) -> None:
    data = encoded(made)
    expected = everything(ManifestReader(data))
    random_ = random.Random(7)
    refused = 0
    for _ in range(2000):
        damaged = bytearray(data)
        for _ in range(random_.choice((1, 1, 1, 4))):
            damaged[random_.randrange(len(damaged))] = random_.randrange(256)
        try:
            reader = ManifestReader(bytes(damaged))
            rows = everything(reader)
        except ManifestError:
            refused += 1
            continue
        if damaged != data:
            assert (reader.head, rows) != (made, expected) or reader.derivations
    assert refused > 500


@pytest.mark.parametrize("made", [head(), newer()], ids=["format 1", "format 2"])
def test_random_damage_of_json_is_an_error_or_another_manifest(made: Head) -> None:
    text = b"".join(json_form.render(ManifestReader(encoded(made))))
    random_ = random.Random(8)
    refused = 0
    for _ in range(800):
        damaged = bytearray(text)
        damaged[random_.randrange(len(damaged))] = random_.choice(b'0123456789abcdef{}[]",:\x00\xff/$-.e')
        try:
            canonical_form = b"".join(json_form.parse(bytes(damaged)))
            everything(ManifestReader(canonical_form))
        except ManifestError:
            refused += 1
            continue
        assert json.loads(bytes(damaged)) == json.loads(b"".join(json_form.render(ManifestReader(canonical_form))))
    assert refused > 200


WRONG_JSON = [
    b"",
    b"[]",
    b"{}",
    b"null",
    b'{"format":1}',
    b'{"format":1.0}',
    b'{"format":NaN}',
    b'{"layers":[],"layers":[]}',
    b'{"layers":{},"derivations":7}',
    b'{"layers":[7],"derivations":[]}',
    b'{"layers":[{"entries":null}],"derivations":[]}',
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"\xff\xfe",
    b'{"format":' + b"9" * 10_000 + b"}",
]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"{", "it is not JSON: "),
        (b'{"a": "\xff"}', "it is not UTF-8"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b'{"layers":[]}', "'derivations' is missing or unknown"),
    ],
)
def test_the_error_of_other_json_says_what_is_wrong(data: bytes, why: str) -> None:
    with pytest.raises(ManifestError) as error:
        b"".join(json_form.parse(data))
    assert error.value.why.startswith(why)


@pytest.mark.parametrize("data", WRONG_JSON, ids=range(len(WRONG_JSON)))
def test_other_json_is_refused(data: bytes) -> None:
    with pytest.raises(ManifestError):
        b"".join(json_form.parse(data))


@pytest.mark.parametrize("count", [0, 8_000_000, 60_000_000])
def test_few_bytes_that_decode_to_a_great_many_are_refused(count: int) -> None:
    array = b"\xdd" + count.to_bytes(4, "big") + b"\x90" * count
    with pytest.raises(ManifestError):
        manifest_loading.reader(array, "x")


def test_memory_is_bounded_while_a_manifest_is_read() -> None:
    with pytest.raises(ManifestError, match="MB"), manifest_loading.bounded():
        kept = [bytes(1 << 20) for _ in range(500)]
        assert kept
    assert len(bytes(100 << 20)) == 100 << 20, "and not afterwards"
