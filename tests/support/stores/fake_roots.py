"""Roots in a fake store, built by the real builders from packages that a test writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from blake3 import blake3
from fpack.builders.kinds.deb import DebBuilder
from fpack.builders.kinds.root import RootBuilder
from fpack.builders.kinds.slice import SliceBuilder
from fpack.builders.payload import meta
from fpack.store.derivation import Derivation, Output, placeholder
from fpack.store.files.writer import TreeWriter
from fpack.store.path import StorePath
from support.archives import debs
from support.archives.debs import Item
from support.stores.task import FakeStore

SCRIPTS = "(scripts)"


class Roots:
    """Packages on their way into roots. drop: the rule of their slices."""

    def __init__(self, store: FakeStore) -> None:
        self.store = store
        self.names: dict[str, dict[str, Any]] = {}
        self.made: list[str] = []
        self.used: dict[str, Any] = {}
        self.payloads: dict[str, StorePath] = {}
        self.drop: list[str] = []

    def package(
        self, name: str, *items: Item, seed: bool = False, depends: str = "", data: bool = False, **control: Any
    ) -> None:
        """Add a package of a closure. depends: names with blanks between them. scripts: by name."""
        self.names[name] = {
            "items": items, "seed": seed, "depends": depends.split(), "data": data, "control": control
        }  # fmt: skip

    def slice(self, name: str) -> StorePath:
        known = self.names[name]
        control = dict(known["control"])
        scripts = control.pop("scripts", None)
        stanza = debs.control(name, **control)
        path = self.store.add_file(f"{name}.deb", debs.deb(known["items"], stanza, scripts))
        args = {"deb": str(path), "package": name, "version": control.get("version", "1.0-1"), "arch": "amd64"}
        payload = self.payloads[name] = self.store.build(DebBuilder(), name, args)
        self.made.append(name)
        return self.store.build(
            SliceBuilder(), name, {"payload": str(payload), "keep": None, "drop": self.drop, "setuid": []}
        )

    def build(self, mode: str = "depends", lazily: bool = False, scripts: StorePath | None = None, **args: Any) -> Made:
        """Return the root of all packages. lazily: those that are no seeds are candidates in a declared root too.

        scripts: what maintainer scripts did, as a candidate.
        """
        items: list[dict[str, Any]] = []
        candidates: dict[Output, str] = {}
        for name, known in self.names.items():
            if (lazily or mode == "linked") and not known["seed"]:
                output = Output(blake3(name.encode()).digest(20))
                candidates[output] = name
                slice_ = str(placeholder(output.derivation, name))
            else:
                slice_ = str(self.slice(name))
            version = known["control"].get("version", "1.0-1")
            items.append(
                {
                    "package": name,
                    "version": version,
                    "slice": slice_,
                    "seed": known["seed"],
                    "depends": known["depends"],
                    "used": self.used.get(name, []),
                    "data": known["data"],
                }
            )
        full: dict[str, Any] = {
            "mode": mode,
            "release": "trixie",
            "arch": "amd64",
            "slices": items,
            "wants": [],
            "users": [],
        }
        full |= {"alternatives": {}, **args}

        if scripts is not None:
            output = Output(blake3(b"scripts").digest(20))
            candidates[output] = SCRIPTS
            full["configured"] = str(placeholder(output.derivation, "scripts"))

        def answer(wanted: Output | Derivation) -> StorePath:
            assert isinstance(wanted, Output)
            if candidates[wanted] == SCRIPTS:
                assert scripts is not None
                return scripts
            return self.slice(candidates[wanted])

        path = self.store.build(RootBuilder(), "root", full, tuple(candidates), answer)
        task = next(t for t in self.store.tasks if t.args is full)
        return Made(self.store.disk(path), path, task.lines, self._names(task.needs, candidates))

    @staticmethod
    def _names(needs: Sequence[Sequence[Output | Derivation]], candidates: Mapping[Output, str]) -> list[list[str]]:
        return [[candidates[wanted] for wanted in need if isinstance(wanted, Output)] for need in needs]

    def built(self, name: str, files: Mapping[str, bytes], *references: StorePath) -> StorePath:
        """Return a store path as a build from source leaves it; programs are what lies in `bin`."""
        writer = TreeWriter(self.store.pool, self.store.fresh())
        for path, content in files.items():
            writer.file(path, [content], path.startswith("bin/"))
        return self.store.add(name, writer, references)


class Made:
    """A root."""

    def __init__(self, place: Path, path: StorePath, lines: list[str], needs: list[list[str]]) -> None:
        self.place = place
        self.data = place / "data"
        self.path = path
        entries, self.extra = meta.read(place)
        self.entries = {entry.path: entry for entry in entries}
        self.lines = lines
        self.needs = needs

    def reasons(self) -> Mapping[str, tuple[str | None, str, str, str]]:
        return {
            each["package"]: (each["by"], each["reason"]["kind"], each["reason"]["file"], each["reason"]["what"])
            for each in self.extra["slices"]
        }
