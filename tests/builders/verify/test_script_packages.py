"""Test that what maintainer scripts made counts as Debian's if all that they ran with does, and that it is rebuilt."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from fpack.builders.manifest.format import CONFIGURED, LockedPackage
from fpack.builders.payload import meta
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.verify import script_packages
from fpack.builders.verify.evidence.archive_signature import Archives
from fpack.builders.verify.findings import Report
from fpack.builders.verify.other_entries import OtherEntries, OtherEntry
from fpack.store.derivation import Derivation, Output, digest, placeholder

SHA256 = "5" * 64
PIN = LockedPackage("app", "1", "amd64", "app", "1", "debian", 1, 10, SHA256, "pool/main/a/app/app_1_amd64.deb")


class SignedArchives:
    """Archives of which each package is signed, or none."""

    def __init__(self, signed: bool) -> None:
        self.signed = signed

    def vouch(self, package: LockedPackage) -> tuple[str | None, bool]:
        return "trixie" if self.signed else None, self.signed


class Graph:
    """The derivations of a package on which scripts ran. changes: other arguments, by kind."""

    def __init__(self, changes: Mapping[str, Mapping[str, Any]] | None = None, stray: str = "") -> None:
        self.changes = changes or {}
        self.known: dict[str, Derivation] = {}
        fetch = self.add("fetch", {"sha256": SHA256, "size": 10, "urls": ["https://example.org/app.deb"]})
        deb = self.add("deb", {"deb": self.path(fetch), "package": "app", "version": "1", "arch": "amd64"}, fetch)
        part = self.add("slice", {"payload": self.path(deb), "keep": None, "drop": [], "setuid": []}, deb)
        more = [self.add(stray, {"of": "nobody"})] if stray else []
        root = self.add("root", {"slices": [self.path(part)]}, part, *more)
        packages = [{"package": "app", "payload": self.path(deb), "depends": []}]
        self.top = self.add("configure", {"root": self.path(root), "packages": packages}, root, deb)

    def add(self, kind: str, args: Mapping[str, Any], *inputs: str) -> str:
        args = {**args, **self.changes.get(kind, {})}
        drv = Derivation(kind, kind, args, tuple(Output(bytes.fromhex(i)) for i in inputs))
        found = digest(drv.encode()).hex()
        self.known[found] = drv
        return found

    def path(self, made: str) -> str:
        return str(placeholder(bytes.fromhex(made), self.known[made].name))

    def trace(self, *, signed: bool = True, locked: bool = True) -> tuple[script_packages.TracedScripts, Report]:
        report = Report()
        archives = cast(Archives, SignedArchives(signed))
        pins = {"app": PIN} if locked else {}
        return script_packages.trace([self.top], self.known, pins, archives, report), report


def test_packages_of_a_signed_index() -> None:
    found, report = Graph().trace()
    assert found == ([("app", "1", SHA256, "trixie", True)], "") and not report.differs
    assert script_packages.names(Graph().known) == {"app"}


@pytest.mark.parametrize(
    ("graph", "options", "problem"),
    [
        (Graph(), {"signed": False}, "in no signed index of the archive"),
        (Graph(), {"locked": False}, "not in the lock"),
        (Graph(stray="exec"), {}, "built by the kind exec"),
        (Graph(stray="fetch"), {}, "files that are no package's"),
        (Graph({"slice": {"drop": ["/usr/bin"]}}), {}, "parts of packages"),
        (Graph({"slice": {"keep": ["/usr/bin"]}}), {}, "parts of packages"),
        (Graph({"deb": {"deb": "/fpack/store/evil"}}), {}, "not in the lock"),
        (Graph({"deb": {"package": "evil"}}), {}, "not in the lock"),
    ],
)
def test_what_is_not_debians_proves_nothing(graph: Graph, options: dict[str, bool], problem: str) -> None:
    assert problem in graph.trace(**options)[0].problem


@pytest.mark.parametrize(
    "changes", [{"fetch": {"sha256": "6" * 64}}, {"fetch": {"size": 11}}, {"deb": {"version": "2"}}]
)
def test_a_package_that_differs_from_the_lock(changes: dict[str, Any]) -> None:
    assert [finding.where for finding in Graph(changes).trace()[1].findings] == ["package app"]


def test_a_derivation_that_is_missing_or_of_another_kind() -> None:
    graph = Graph()
    graph.top = "00" * 20
    assert graph.trace()[0].problem == "the derivation that ran them is missing"
    graph.top = next(made for made, drv in graph.known.items() if drv.kind == "root")
    assert "missing" in graph.trace()[0].problem


def test_only_entries_that_scripts_made_again_are_theirs(tmp_path: Path) -> None:
    """The manifest chooses which entry it attributes to a script; the rebuild tells which the script made."""
    file = TreeEntry("etc/app", meta.FILE, 0o644, 0, 0, "", "", 3, bytes(32), b"s" * 32)
    su = file._replace(path="usr/bin/su")
    (tmp_path / "data/etc").mkdir(parents=True)
    (tmp_path / "data/usr/bin").mkdir(parents=True)
    (tmp_path / "meta").write_bytes(meta.encode([file, su], {"setuid": [["/usr/bin/su", 0o4755]]}))
    rebuilt = frozenset(script_packages.made(tmp_path))

    def claimed(path: str = "etc/app", mode: int = 0o644, uid: int = 0, sha256: bytes = b"s" * 32) -> bool:
        others = OtherEntries()
        others.add_configured(OtherEntry(path.encode(), "f", mode, uid, 0, CONFIGURED, "postinst of app"), sha256)
        return others.configured <= rebuilt

    assert claimed() and claimed("usr/bin/su") and claimed("usr/bin/su", 0o4755)
    assert not claimed("etc/evil") and not claimed(mode=0o4644) and not claimed(uid=5) and not claimed(sha256=b"e" * 32)
