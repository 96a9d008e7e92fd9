"""Tracing: each Debian file of an image is the one in its .deb, which the lock names, which a signed index lists."""

from __future__ import annotations

import hashlib
import json
import os
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from fpack.builders.manifest.encoding import encode_entry, encode_head
from fpack.builders.manifest.format import Head, ManifestEntry
from fpack.builders.manifest.reader import ManifestReader
from fpack.builders.verify import embedded_manifest
from fpack.builders.verify.findings import ImageDifference, Report
from fpack.builders.verify.image_archive import open_archive
from fpack.builders.verify.origin import TracedPackage
from fpack.builders.verify.verify import VerifyResult, verify
from fpack.store.canonical import decode as decode_canonical
from fpack.store.canonical import encode as encode_canonical
from fpack.store.derivation import Derivation, Output, placeholder
from fpack.store.errors import FpackError
from support.archives.archive import new_key, signing_key, write_keyring
from support.images.greeter import Greeter
from support.images.tamper import Image
from support.properties import examples
from support.reports.evidence import World

Change = Callable[[Head], Head]


@pytest.fixture
def world(made: Greeter, tmp_path: Path) -> World:
    return World.of(made, tmp_path)


def canonical(made: Greeter) -> bytes:
    (data,) = embedded_manifest.find(open_archive(made.tar, Report()))
    return data


def forged(
    made: Greeter,
    folder: Path,
    entry: Callable[[ManifestEntry], ManifestEntry] = lambda e: e,
    head: Change = lambda h: h,
) -> Path:
    """Return the manifest, with changes."""
    reader = ManifestReader(canonical(made))
    bodies = [reader.derivations[digest].encode() for digest in sorted(reader.derivations)]
    rows = [encode_entry(entry(each)) for _, entries in reader.entries() for each in entries]
    (folder / "forged").write_bytes(b"".join([encode_head(head(reader.head)), *bodies, *rows]))
    return folder / "forged"


def packages(outcome: VerifyResult) -> list[TracedPackage]:
    (part,) = outcome.images
    return part.packages


def trace(outcome: VerifyResult) -> list[ImageDifference]:
    return [finding for finding in outcome.report.findings if finding.kind in ("trace", "manifest")]


def test_every_package_is_traced_to_a_signature(world: World) -> None:
    outcome = world.verify()
    assert not outcome.report.differs and not outcome.report.notes
    assert {p.package for p in packages(outcome)} == {
        "base-files",
        "coreutils",
        "dash",
        "greet-tools",
        "hello",
        "libgreet1",
    }
    for package in packages(outcome):
        assert (package.compared, package.suite, package.signed) == ("deb", "trixie", True), package
        assert package.files >= 2 and package.deb == hashlib.sha256(world.deb(package.package).read_bytes()).hexdigest()
    # Accounts, three files of the project's and two links, what lies in the store, and a directory.
    others = {other.path.decode(): other.origin for other in outcome.images[0].others}
    assert others["etc/passwd"] == "generated" and others["etc/motd"] == others["srv/words"] == "files"
    assert others["srv/data"] == "directory" and sum(origin == "built" for origin in others.values()) == 4
    assert len(others) == outcome.others == 11
    assert outcome.value()["images"][0]["packages"][0]["compared"] == "deb"


def test_what_is_not_at_hand_is_said(world: World) -> None:
    outcome = world.verify(store=False)
    assert not outcome.report.differs
    assert {p.compared for p in packages(outcome)} == {""} and {p.signed for p in packages(outcome)} == {True}
    assert sum("the file of " in note and "is not available" in note for note in outcome.report.notes) == 6
    assert (
        "6 packages are not compared with what the archive has" in outcome.report.notes[0] and outcome.verdict is None
    )
    for place in world.cache.glob("*.packages"):
        place.unlink()
    outcome = world.verify()
    assert not outcome.report.differs and {(p.suite, p.signed) for p in packages(outcome)} == {("", False)}
    assert any("index of trixie is not available" in note for note in outcome.report.notes)


def test_without_the_debs_the_payloads_are_compared(world: World) -> None:
    for package in ("hello", "dash"):
        _delete(world.deb(package))
    outcome = world.verify()
    assert not outcome.report.differs
    assert {p.package for p in packages(outcome) if p.compared == "payload"} == {"hello", "dash"}


def _delete(place: Path) -> None:
    place.unlink()


def test_a_damaged_deb_in_the_store_vouches_for_nothing(world: World) -> None:
    place = world.deb("hello")
    data = bytearray(place.read_bytes())
    data[-20] ^= 1
    place.unlink()
    place.write_bytes(data)
    outcome = world.verify()
    assert next(p for p in packages(outcome) if p.package == "hello").compared == "payload"
    assert any("hello in the store is damaged" in note for note in outcome.report.notes)


CHANGED: dict[str, dict[str, Any]] = {
    "content": {"sha256": bytes(32), "blake3": bytes(32)},
    "mode": {"mode": 0o4755},
    "owner": {"uid": 1},
    "kind": {"kind": "l", "size": 0, "sha256": b"", "blake3": b"", "target": b"/x"},
    "name": {"path": b"usr/bin/hello2"},
}


@pytest.mark.parametrize("name", CHANGED)
@pytest.mark.parametrize("by", ["deb", "payload"])
def test_a_manifest_that_lies_about_a_packages_file_is_caught(
    world: World, tmp_path: Path, name: str, by: str
) -> None:  # fmt: skip
    """Even where the image agrees with it, as it would when both were made by one hand."""
    if by == "payload":
        _delete(world.deb("hello"))

    def lie(entry: ManifestEntry) -> ManifestEntry:
        return entry._replace(**CHANGED[name]) if entry.path == b"usr/bin/hello" else entry

    outcome = world.verify(forged(world.made, tmp_path, lie))
    where = "/usr/bin/hello2" if name == "name" else "/usr/bin/hello"
    assert [(f.kind, f.where) for f in trace(outcome)] == [("trace", where)]
    assert "the package hello has" in trace(outcome)[0].what


def test_the_status_of_a_package_is_its_control_data(world: World, tmp_path: Path) -> None:
    status = b"var/lib/dpkg/status.d/hello"

    def lie(entry: ManifestEntry) -> ManifestEntry:
        return entry._replace(sha256=blake3(b"x").digest()) if entry.path == status else entry

    findings = trace(world.verify(forged(world.made, tmp_path, lie)))
    assert [f.where for f in findings] == ["/" + status.decode()] and "control stanza" in findings[0].what


def lock(head: Head, **changes: Any) -> Head:
    return head._replace(lock=head.lock._replace(**changes))


def hello(head: Head, **changes: Any) -> Head:
    packages = [pin._replace(**changes) if pin.name == "hello" else pin for pin in head.lock.packages]
    return lock(head, packages=tuple(packages))


LIES: dict[str, tuple[Change, str]] = {
    "another file": (lambda h: hello(h, sha256="ab" * 32), "SHA-256"),
    "another size": (lambda h: hello(h, size=7), "size"),
    "another version": (lambda h: hello(h, version="9.9"), "version"),
    "another place in the archive": (lambda h: hello(h, file="pool/main/x.deb"), "no locked index"),
    "another archive's package": (lambda h: hello(h, archive="debian-security"), "no locked index"),
    "another source": (lambda h: hello(h, source="openssl"), "no locked index"),
    "another version of the source": (lambda h: hello(h, source_version="9"), "no locked index"),
    "another architecture": (lambda h: hello(h, arch="arm64"), "it is for arm64"),
    "a lock for another architecture": (lambda h: lock(h, arch="arm64"), "it is for arm64"),
    "a package twice": (lambda h: lock(h, packages=(*h.lock.packages, h.lock.packages[0])), "twice"),
    "another release": (lambda h: lock(h, release="bookworm"), "not a suite of bookworm"),
    "a later date": (
        lambda h: lock(h, suites=tuple(each._replace(date=each.date + 9) for each in h.lock.suites)),
        "unlike in the lock",
    ),
    "no end": (
        lambda h: lock(h, suites=tuple(each._replace(until=None) for each in h.lock.suites)),
        "unlike in the lock",
    ),
    "a package more": (
        lambda h: lock(h, packages=(*h.lock.packages, h.lock.packages[0]._replace(name="zz"))),
        "not in the image",
    ),
    "another release's signature": (
        lambda h: lock(h, suites=(h.lock.suites[0]._replace(sha256=h.lock.suites[1].sha256), *h.lock.suites[1:])),
        "is of trixie-security",
    ),
    "a source that differs": (
        lambda h: h._replace(sources=(h.sources[0]._replace(name="evil"), *h.sources[1:])),
        "differs from its derivation",
    ),
    "a derivation that is not there": (
        lambda h: h._replace(image=h.image._replace(derivation="ab" * 20)),
        "is missing",
    ),
    "a slice that another derivation made": (
        lambda h: h._replace(
            paths=tuple(p._replace(derivation=h.image.derivation) if p.package == "hello" else p for p in h.paths)
        ),
        "do not lead",
    ),
}


def renamed(index: str) -> Change:
    """Return a change of the lock: the index of trixie is another file of the release."""

    def change(head: Head) -> Head:
        indexes = [each._replace(file=index) if each.suite == "trixie" else each for each in head.lock.indexes]
        return lock(head, indexes=tuple(indexes))

    return change


MAIN = "main/binary-amd64/Packages"
# Of a release that is signed and says something else: what it says, what the lock says, and what is found.
RELEASES: dict[str, tuple[Callable[[str], str], Change, str]] = {
    "another codename": (
        lambda text: text.replace("Codename: trixie", "Codename: buster").replace("Suite: stable", "Suite: oldstable"),
        lambda head: head,
        "its signed release is of buster",
    ),
    "the installer's packages": (
        lambda text: text.replace(MAIN, "main/debian-installer/binary-amd64/Packages"),
        renamed("main/debian-installer/binary-amd64/Packages.xz"),
        "is not a list of binary packages",
    ),
    "another architecture's packages": (
        lambda text: text.replace(MAIN, "main/binary-arm64/Packages"),
        renamed("main/binary-arm64/Packages.xz"),
        "is not a list of binary packages for amd64",
    ),
    "another component's packages": (
        lambda text: text.replace(MAIN, "non-free/binary-amd64/Packages"),
        renamed("non-free/binary-amd64/Packages.xz"),
        "not of the component non-free",
    ),
    "sources": (
        lambda text: text.replace(MAIN, "main/source/Packages"),
        renamed("main/source/Packages.xz"),
        "is not a list of binary packages",
    ),
    "the digest of another file": (
        lambda text: text.replace(MAIN, "main/source/Sources"),
        lambda head: head,
        "does not list main/binary-amd64/Packages",
    ),
    "the packed digest of another file": (
        lambda text: text.replace(f"{MAIN}.xz", "main/source/Sources.xz"),
        lambda head: head,
        "does not list main/binary-amd64/Packages.xz",
    ),
    "the digest of a file in another folder": (
        lambda text: text.replace(MAIN, f"evil/{MAIN}"),
        renamed(f"evil/{MAIN}.xz"),
        "is not a list of binary packages",
    ),
}


@pytest.mark.parametrize("name", RELEASES)
def test_a_signed_release_vouches_for_its_own_packages_alone(world: World, tmp_path: Path, name: str) -> None:
    """Signed by a key that is trusted, and not what the lock makes of it."""
    text, change, words = RELEASES[name]
    outcome = world.verify(forged(world.made, tmp_path, head=lambda head: world.resigned(change(head), text)))
    assert any(words in finding.what for finding in trace(outcome)), trace(outcome)
    assert outcome.verdict is None and not any(package.signed for package in packages(outcome))


def test_a_release_that_is_signed_anew_vouches_as_the_first_did(world: World, tmp_path: Path) -> None:
    """So what is found above is found by what it says, and not by its being another one."""
    manifest = forged(world.made, tmp_path, head=lambda head: world.resigned(head, lambda text: f"{text}Label: x\n"))
    assert world.verify(manifest).verdict == "given"


@pytest.mark.parametrize("part", ["suites", "indexes", "both"])
def test_a_lock_without_indexes_leaves_packages_unchecked(world: World, tmp_path: Path, part: str) -> None:
    nothing: dict[str, Any] = dict.fromkeys(("suites", "indexes") if part == "both" else (part,), ())
    outcome = world.verify(forged(world.made, tmp_path, head=lambda head: lock(head, **nothing)))
    assert outcome.verdict is None and not outcome.report.differs
    assert "6 packages are not found in a signed index of the archive" in outcome.report.notes[0]


@pytest.mark.parametrize("name", LIES)
def test_a_chain_that_does_not_hold_is_named(world: World, tmp_path: Path, name: str) -> None:
    change, words = LIES[name]
    findings = trace(world.verify(forged(world.made, tmp_path, head=change)))
    assert any(words in f"{finding.where} {finding.what}" for finding in findings), findings


def test_a_package_of_no_lock_is_said_to_be_so(world: World, tmp_path: Path) -> None:
    def without(head: Head) -> Head:
        return lock(head, packages=tuple(pin for pin in head.lock.packages if pin.name != "hello"))

    outcome = world.verify(forged(world.made, tmp_path, head=without))
    assert any("hello is not in the lock" in note for note in outcome.report.notes)


def test_a_derivation_that_names_another_file_is_not_followed(world: World, tmp_path: Path) -> None:
    """The payload's derivation takes one .deb in its arguments, and has another as its input."""
    reader = ManifestReader(canonical(world.made))
    by_name = {made.name: made for made in reader.derivations.values() if made.kind == "fetch"}
    one = next(made for name, made in by_name.items() if name.startswith("hello_"))
    other = next(made for name, made in by_name.items() if name.startswith("dash_"))
    deb = next(m for m in reader.derivations.values() if m.kind == "deb" and m.args["package"] == "hello")
    text = deb.args["deb"]
    assert text == str(placeholder(_digest(one), one.name))
    bad = deb._replace(inputs=(Output(_digest(other)),))
    slice_ = next(
        m for m in reader.derivations.values() if m.kind == "slice" and m.inputs[0].derivation == _digest(deb)
    )
    again = slice_._replace(
        args={**slice_.args, "payload": str(placeholder(_digest(bad), bad.name))}, inputs=(Output(_digest(bad)),)
    )
    made = {**reader.derivations, _digest(bad).hex(): bad, _digest(again).hex(): again}
    place = next(p for p in reader.head.paths if p.package == "hello")
    paths = tuple(p._replace(derivation=_digest(again).hex()) if p == place else p for p in reader.head.paths)
    head = reader.head._replace(paths=paths, derivations=len(made))
    rows = [encode_entry(each) for _, entries in reader.entries() for each in entries]
    (tmp_path / "forged").write_bytes(b"".join([encode_head(head), *(made[d].encode() for d in sorted(made)), *rows]))
    findings = trace(world.verify(tmp_path / "forged"))
    assert [(f.kind, f.where) for f in findings] == [("manifest", "package hello")]


def _digest(made: Derivation) -> bytes:
    return blake3(made.encode()).digest(20)


def test_an_index_that_was_changed_is_not_taken(world: World) -> None:
    for place in world.cache.glob("*.packages"):
        data = place.read_bytes()
        place.write_bytes(data.replace(b"Version", b"version"))
    outcome = world.verify()
    assert not outcome.report.differs and not any(p.suite for p in packages(outcome))
    assert any("index of trixie is damaged" in note for note in outcome.report.notes)


def test_a_key_that_expired_since_vouches_and_it_is_said(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = signing_key()
    certificate = key.extract_certificate()
    now = time.time()
    until = datetime.fromtimestamp(int(now) + 3600, UTC)
    world.keyring = tmp_path / "short.pgp"
    world.keyring.write_bytes(bytes(certificate.set_expiration(until, key.certifier())))
    assert not world.verify().images[0].signed["trixie"].trouble
    monkeypatch.setattr("fpack.builders.verify.evidence.archive_signature.time.time", lambda: now + 7200)
    outcome = world.verify()
    assert not outcome.report.findings and not outcome.report.notes
    assert {p.signed for p in packages(outcome)} == {True}
    (release,) = outcome.value()["images"][0]["releases"]
    assert release["suite"] == "trixie" and release["certificate"] == certificate.fingerprint
    assert now - 86400 < release["made"] <= now + 60
    assert release["trouble"] == f"expired on {until:%Y-%m-%dT%H:%M:%SZ}"


def test_a_release_that_was_changed_or_is_signed_by_another_key_vouches_for_nothing(
    world: World, tmp_path: Path
) -> None:
    world.keyring = write_keyring(tmp_path / "other.pgp", new_key())
    findings = trace(world.verify())
    assert [f.where for f in findings] == ["suite trixie"] and "no valid signature" in findings[0].what
    world.keyring = tmp_path / "none.pgp"
    outcome = world.verify()
    assert not outcome.report.differs and any("cannot be checked" in note for note in outcome.report.notes)
    for place in world.cache.glob("*.InRelease"):
        place.write_bytes(place.read_bytes() + b"\n")
    outcome = world.verify()
    assert not any(p.signed for p in packages(outcome))
    assert any("release of trixie is not available" in note for note in outcome.report.notes)


def test_the_store_is_only_read(world: World) -> None:
    def state() -> list[tuple[str, int, int]]:
        return sorted(
            (str(p), p.lstat().st_size, p.lstat().st_mtime_ns)
            for p in world.store.root.rglob("*")
            if "sqlite" not in p.name and p != world.store.root / "db"
        )

    before = state()
    world.verify()
    assert state() == before
    kept = [sorted(os.listdir(root / "tmp")) for root in (world.store.root, world.made.fpack.home / "store")]
    assert kept[0] == kept[1]


ODD: list[Any] = [None, True, 0, -1, 7, 1 << 60, "", "x", "../x", b"x", [], [1], [[]], {}, {"a": 1}, "\x1b[2J"]

FIELDS = ("directories", "urls", "sha256", "size", "tree", "deb", "payload", "package", "version")


def _spoil(value: Any, chance: random.Random) -> Any:
    """Return a value with something odd in one place of it."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(sorted(value))
        return {**value, key: _spoil(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.9:
        number = chance.randrange(len(value))
        return [*value[:number], _spoil(value[number], chance), *value[number + 1 :]]
    return chance.choice(ODD)


def test_a_manifest_with_anything_in_it_is_no_fault_of_ours(world: World, tmp_path: Path) -> None:
    """Odd values in its head, or in the arguments of its derivations, whose digests are right."""
    reader = ManifestReader(canonical(world.made))
    rows = b"".join(encode_entry(each) for _, entries in reader.entries() for each in entries)
    head = decode_canonical(encode_head(reader.head))
    bodies = [made.encode() for made in reader.derivations.values()]
    bare = Image.load(world.made.tar)
    bare.referrers = None
    image = bare.save(tmp_path / "bare.tar")
    read = 0
    for seed in range(count := examples(300)):
        chance = random.Random(seed)
        spoiled, others = head, bodies
        if seed % 2:
            spoiled = _spoil(head, chance)
        else:
            number = chance.randrange(len(bodies))
            body = decode_canonical(bodies[number])
            args = _spoil(body["args"], chance)
            if seed % 4 and isinstance(args, dict):
                args[chance.choice(FIELDS)] = chance.choice(ODD)
            others = [*bodies[:number], encode_canonical({**body, "args": args})]
            others += bodies[number + 1 :]
        others = sorted(others, key=lambda body: blake3(body).digest(20))
        (tmp_path / "odd").write_bytes(b"".join([encode_canonical(spoiled), *others, rows]))
        try:
            outcome = verify(image, [tmp_path / "odd"], [], world.hand())
        except FpackError:
            continue
        read += 1
        json.dumps(outcome.value())
    assert read > count / 4
