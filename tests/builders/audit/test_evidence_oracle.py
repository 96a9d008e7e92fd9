"""No claim is wrong: random images, with all ways that vulnerable code takes into one, and an oracle that sees it.

The oracle knows of each file whether it has vulnerable code. Evidence sees only what fpack can know. A claim that an
image with vulnerable code is not affected fails the test. Another test requires that claims are made at all.
"""

from __future__ import annotations

import hashlib
import random
from typing import NamedTuple

import pytest
from fpack.builders.audit.contents import ImageEntry, ImageKnowledge, PackageFile, Payload
from fpack.builders.audit.evidence import judge
from fpack.builders.audit.model import (
    AFFECTED,
    NOT_AFFECTED,
    Advisory,
    AffectedParts,
    BinaryPackage,
    Finding,
    Product,
)

OLD, NEW = "1.0-1", "1.0-2"
WORLDS = 12_000


class Source(NamedTuple):
    """The files of a source by binary package, as path and content, and the contents that are vulnerable."""

    packages: dict[str, dict[str, str]]
    vulnerable: set[str]
    replaces: dict[str, set[str]]


def digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def old_source(choose: random.Random) -> Source:
    packages: dict[str, dict[str, str]] = {}
    for number in range(choose.randint(1, 3)):
        files = {}
        for index in range(choose.randint(1, 3)):
            letter = "abcdefghi"[3 * number + index]
            files[choose.choice([f"usr/bin/{letter}cmd", f"usr/lib/lib{letter}.so.1"])] = f"old {letter}"
        packages[f"x-{number}"] = files
    contents = sorted({content for files in packages.values() for content in files.values()})
    return Source(packages, {choose.choice(contents)}, {})


def new_source(old: Source, choose: random.Random) -> Source:
    """Return the fixed version. Files have been renamed, moved to other packages, added, or are as they were."""
    packages: dict[str, dict[str, str]] = {name: {} for name in old.packages}
    replaces: dict[str, set[str]] = {}
    for name, files in old.packages.items():
        for path, content in files.items():
            target, where = name, path
            if choose.random() < 0.2:
                where = f"{path.rpartition('/')[0]}/new{path.rpartition('/')[2]}"
            if choose.random() < 0.2:
                target = choose.choice([*packages, "x-new"])
                packages.setdefault(target, {})
                if target != name:
                    replaces.setdefault(target, set()).add(name)
            fixed = f"new {content}" if content in old.vulnerable and choose.random() < 0.8 else content
            packages[target][where] = fixed
    if any(content in old.vulnerable for files in packages.values() for content in files.values()):
        # The file is the same: something else in its package is the fix.
        for files in packages.values():
            if old.vulnerable & {*files.values()}:
                files["etc/x/hardening.conf"] = "hardened"
    return Source(packages, set(), replaces)


def payload(source: Source, name: str, version: str) -> Payload:
    files = tuple(PackageFile(path, "f", digest(c), "") for path, c in sorted(source.packages[name].items()))
    taken = tuple(sorted(source.replaces.get(name, ())))
    return Payload(name, version, "amd64", "x", version, files, takes_over=taken)


def advisory(old: Source, new: Source, choose: random.Random) -> tuple[AffectedParts, bool]:
    """Return what an advisory names: the vulnerable files or their packages, by the affected or the fixed version."""
    by = choose.choice([old, new])
    places = [
        (name, path)
        for name, files in by.packages.items()
        for path, content in files.items()
        if content in old.vulnerable or content.removeprefix("new ") in old.vulnerable
    ]
    kind = choose.choice(["files", "names", "binaries", "both", "nothing"])
    files = {path if kind != "names" else path.rpartition("/")[2] for _, path in places}
    binaries = {name for name, _ in places}
    return AffectedParts(
        tuple(sorted(files)) if kind in ("files", "names", "both") else (),
        tuple(sorted(binaries)) if kind in ("binaries", "both") else (),
    ), by is new


class World(NamedTuple):
    """An image, a finding about it, and whether the image has vulnerable code."""

    contents: ImageKnowledge
    finding: Finding
    vulnerable: bool


def world(seed: int) -> World:
    choose = random.Random(seed)
    old = old_source(choose)
    new = new_source(old, choose)
    parts, _ = advisory(old, new, choose)
    payloads = {name: payload(old, name, OLD) for name in old.packages if choose.random() < 0.85}
    fixed = {("x", NEW, name): payload(new, name, NEW) for name in new.packages if choose.random() < 0.8}
    installed = [name for name in old.packages if choose.random() < 0.5]
    entries: dict[str, ImageEntry] = {}
    bad = False

    def put(path: str, content: str, package: str, vulnerable: bool) -> None:
        nonlocal bad
        if path not in entries:
            entries[path] = ImageEntry(path, "f", digest(content), "", package)
            bad = bad or vulnerable

    for name in installed:
        payloads.setdefault(name, payload(old, name, OLD)) if choose.random() < 0.9 else payloads.pop(name, None)
        for path, content in old.packages[name].items():
            if choose.random() < 0.5:
                put(path, content, name, content in old.vulnerable)
    packages = dict.fromkeys(installed, "x")
    excluded: dict[str, tuple[str, ...]] = {}
    tools: frozenset[str] = frozenset()
    every = [(n, p, c) for n, files in old.packages.items() for p, c in files.items()]
    for _ in range(choose.choice([0, 0, 0, 1, 2])):
        name, path, content = choose.choice(every)
        vulnerable, base = content in old.vulnerable, path.rpartition("/")[2]
        way = choose.choice(["copy", "variant", "link", "static", "build", "transition", "replaced", "script"])
        other = f"other-{len(packages)}"
        if way == "copy":  # by the container's files
            put(f"opt/{choose.randint(0, 9)}renamed", content, "", vulnerable)
        elif way == "variant":  # the same code with other bytes, under a name like it
            put(choose.choice([f"opt/{base}.orig", f"opt/{base.replace('.so.1', '.so.1.0.3')}-2"]), "v", "", vulnerable)
        elif way == "link" and path not in entries and name in installed:
            entries["srv/link"] = ImageEntry("srv/link", "l", "", f"/{path}", "")
        elif way == "static":
            uses = ("x",)
            packages[other], payloads[other] = "y", Payload(other, "1", "amd64", "y", "1", (), uses)
            put(f"usr/bin/{other}", f"linked {content}", other, vulnerable)
        elif way == "build":
            tools = frozenset([*tools, name])
            put("fpack/store/app/bin/app", f"linked {content}", "", vulnerable)
        elif way == "transition":  # another source's package took the file, and calls it otherwise
            packages[other] = "y"
            payloads[other] = Payload(other, "1", "amd64", "y", "1", (), takes_over=(name,))
            put(f"usr/lib/{other}/moved", f"rebuilt {content}", other, vulnerable)
        elif way == "replaced" and name in installed:
            excluded[name] = (path,)
            packages[other], payloads[other] = "y", Payload(other, "1", "amd64", "y", "1", (), takes_over=(name,))
            entries.pop(path, None)
            put(path, f"fork of {content}", other, vulnerable)
        elif way == "script" and name in installed:
            put(f"var/lib/x/{choose.randint(0, 9)}", content, name, vulnerable)
    bad = any(entry.sha256 in {digest(c) for c in old.vulnerable} for entry in entries.values()) or bad
    contents = ImageKnowledge(
        entries=tuple(sorted(entries.values())),
        packages=packages,
        excluded=excluded,
        tools=tools,
        payloads=payloads,
        fixed=fixed,
        binaries={("x", OLD): frozenset(old.packages)} if choose.random() < 0.5 else {},
    )
    binaries = tuple(BinaryPackage(name, OLD, "amd64", "") for name in installed)
    about = Advisory("CVE-2026-1", (), "Debian", "trixie", "x", (), parts=parts)
    finding = Finding(
        about, Product("Debian", "trixie", "x", OLD, "", binaries), AFFECTED, choose.choice([NEW, NEW, ""])
    )
    return World(contents, finding, bad)


@pytest.mark.parametrize("part", range(4))
def test_no_image_with_vulnerable_code_is_claimed_not_affected(part: int) -> None:
    for seed in range(part * WORLDS // 4, (part + 1) * WORLDS // 4):
        made = world(seed)
        judged = judge(made.finding, made.contents)
        assert judged.status != NOT_AFFECTED or not made.vulnerable, (seed, made, judged)


def test_claims_are_made_and_the_oracle_sees_code() -> None:
    worlds = [world(seed) for seed in range(2_000)]
    claimed = [judge(made.finding, made.contents) for made in worlds]
    reasons = {judged.evidence[0].split()[0] for judged in claimed if judged.status == NOT_AFFECTED}
    assert {"none", "all", "the"} <= reasons and any(reason.startswith("/") for reason in reasons)
    assert sum(judged.status == NOT_AFFECTED for judged in claimed) > 100
    assert sum(made.vulnerable for made in worlds) > 500
