"""Evaluate expressions of a small project in this process, and list the derivations that a value is made from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fpack.lang.evaluator import Evaluator
from fpack.lang.runtime import values
from fpack.lang.runtime.values import evaluated
from fpack.store import derivation
from fpack.store.derivation import Derivation
from support.archives.packages import Everything, Files

SETTINGS = {"codec": {"name": "zstd", "level": 3, "threads": 2, "library": "test"}, "version": "test"}


class AllArchitectures(Everything):
    """Has every package for every architecture. versions: of packages, by release and name or by name."""

    def __init__(self, versions: Mapping[str, str]) -> None:
        super().__init__()
        self.versions = versions

    def releases(self, of: str = "debian") -> list[str]:
        return ["sid", "forky", "trixie", "bookworm", "bullseye"] if of == "debian" else ["resolute", "noble", "jammy"]

    def package(self, release: str, name: str, arch: str = "") -> dict[str, Any]:
        found = super().package(release, name)
        version = self.versions.get(f"{release} {name}", self.versions.get(name, found["version"]))
        file = f"pool/{release}/{name}_{arch or 'amd64'}.deb"
        return {**found, "version": version, "arch": arch or "amd64", "file": file}


class Build(dict[str, Derivation]):
    """The derivations that a value is made from, by name; `own` is that of the value."""

    def __init__(self, evaluator: Evaluator, path: bytes) -> None:
        super().__init__()
        self.by_digest: dict[bytes, Derivation] = {}
        todo = [path]
        while todo:
            digest = todo.pop()
            if digest not in self.by_digest:
                made = self.by_digest[digest] = derivation.decode(evaluator.derivations[digest])
                self.setdefault(made.name, made)
                todo += [output.derivation for output in made.inputs]
        self.own = self.by_digest[path]

    def kinds(self, kind: str) -> list[Derivation]:
        """Return the derivations of a kind."""
        return [made for made in self.by_digest.values() if made.kind == kind]

    def root(self, made: Derivation) -> Derivation:
        """Return the root of a build."""
        (found,) = (self.by_digest[i.derivation] for i in made.inputs if self.by_digest[i.derivation].kind == "root")
        return found

    def tools(self, made: Derivation) -> set[str]:
        """Return the names of the Debian packages in the root of a build."""
        slices: Any = self.root(made).args["slices"]
        return {each["package"] for each in slices}

    def text(self, name: str) -> str:
        """Return the text that a derivation writes to a file."""
        return str(self[name].args["text"])


class Project:
    """A directory with files, whose expressions are evaluated for an architecture."""

    def __init__(self, directory: Path, cache: Path) -> None:
        self.directory, self.cache = directory, cache

    def write(self, files: Mapping[str, str]) -> None:
        """Write files by their paths."""
        for name, text in files.items():
            (self.directory / name).parent.mkdir(parents=True, exist_ok=True)
            (self.directory / name).write_text(text)

    def evaluator(self, arch: str = "amd64", versions: Mapping[str, str] | None = None, **settings: Any) -> Evaluator:
        packages = AllArchitectures({"nodejs": "20.19.2+dfsg-1", **(versions or {})})
        given = {"arch": arch, **SETTINGS, **{name.replace("_", "-"): value for name, value in settings.items()}}
        return Evaluator(root=self.directory, cache=self.cache, packages=packages, sources=Files(), settings=given)

    def build(self, text: str, **options: Any) -> Build:
        """Return what the value of an expression is made from."""
        evaluator = self.evaluator(**options)
        return Build(evaluator, evaluator.derivation_of(evaluator.expression(text))[0])

    def value(self, text: str, **options: Any) -> Any:
        """Return the value of an expression as JSON."""
        evaluator = self.evaluator(**options)
        return evaluator.to_json(evaluator.expression(text))


def scripts(made: Derivation) -> dict[str, str]:
    """Return the phases of a build by name."""
    phases: Any = made.args["phases"]
    return {phase["name"]: phase["script"] for phase in phases}


def variables(made: Derivation) -> dict[str, str]:
    """Return the variables of a build."""
    return dict(made.args["env"])


class Plan:
    """A function of the library's settings that returns a plan; `requests` has what it was asked, paths as names."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self.plan = plan
        self.requests: list[dict[str, Any]] = []

    def __call__(self, given: Any, /) -> Any:
        fields = {name: _plain(value) for name, value in evaluated(given).items()}
        self.requests.append(fields)
        return dict(self.plan)


def _plain(value: Any) -> Any:
    found = evaluated(value)
    if isinstance(found, list):
        return [_plain(item) for item in found]
    if isinstance(found, dict):
        return {name: _plain(item) for name, item in found.items()}
    return Path(found.path).name if isinstance(found, values.Path) else found
