"""Guess how a Rust project is built and run: its programs, and what its crates need of Debian."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from .guess import LIBRARY, Guess, clean_name, clean_version, few, record, records, shown, strings, text
from .project import Project
from .rust_needs import needs_of

# The version of rustc of each release, for projects that say which one they need.
RUSTC = {"bookworm": (1, 63), "trixie": (1, 85)}
DEFAULT = "trixie"
_FEATURE = re.compile(r"[\w+-]+(?:/[\w+-]+)?")
NEWER = "forky"


class CrateManifest(NamedTuple):
    """A crate of the project.

    folder: "." or its directory. programs: their names. default: the program that `cargo run` runs. features: those
    that it needs beyond the default ones.
    """

    folder: str
    name: str
    version: str | None
    programs: Sequence[str]
    default: str
    features: Sequence[str] = ()


def rust(project: Project) -> Guess | None:
    if not project.has("Cargo.toml"):
        return None
    data = project.toml("Cargo.toml")
    members = _members(project, data)
    reasons, todo = ["Cargo.toml: a Rust " + ("crate" if data.get("package") else "workspace")], []
    fields: list[tuple[str, str]] = []
    own = next((member for member in members if member.folder == "."), None)
    runs = [member for member in members if member.programs]
    chosen = own if own and (own.programs or not runs) else _chosen(project, data, runs)
    if chosen and chosen.folder != ".":
        fields.append(("crate", text(chosen.folder)))
        reasons.append(f"{chosen.folder}: the crate of the program")
    if chosen and chosen.features:
        words = ",".join(chosen.features)
        fields.append(("flags", f'["--features", {text(words)}]'))
        reasons.append(f"Cargo.toml: {chosen.default} needs the features {words}")
    if len(runs) > 1 and chosen is None:
        folders = ", ".join(member.folder for member in runs[:8])
        todo.append(f"name the crate of the workspace to build: crate = ... ({folders} have programs)")
    fields += _locked(project, reasons, todo)
    needs = needs_of(_crates(project))
    fields += needs.fields
    reasons += needs.reasons
    todo += _newer(project, data)
    library = not runs and any(_has_library(project, member) for member in members)
    if library:
        fields.append(("library", "true"))
        reasons.append(LIBRARY)
    name = clean_name(chosen.name if chosen else None, project)
    entrypoint = None if library else [f"@/bin/{chosen.default if chosen and chosen.programs else name}"]
    if entrypoint and chosen and len(chosen.programs) > 1:
        reasons.append(f"the image runs {shown(entrypoint)}, one of {few(chosen.programs)}")
    version = chosen.version if chosen else _version(data, data)
    return Guess("rust", name, version, fields, [], entrypoint, [], reasons, todo, library)


def _members(project: Project, data: dict[str, Any]) -> list[CrateManifest]:
    """Return the crates of the project: its own, and those of the workspace."""
    workspace = record(data.get("workspace"))
    patterns, excluded = strings(workspace.get("members")), strings(workspace.get("exclude"))
    folders = [file.rpartition("/")[0] for file in project.files if file.endswith("/Cargo.toml")]
    below = [
        folder
        for folder in sorted(folders)
        if any(_matches(folder, pattern) for pattern in patterns)
        and not any(_matches(folder, pattern) for pattern in excluded)
    ]
    own = ["."] if data.get("package") else []
    return [_member(project, data, folder) for folder in [*own, *below]]


def _has_library(project: Project, member: CrateManifest) -> bool:
    prefix = "" if member.folder == "." else f"{member.folder}/"
    return project.has(f"{prefix}src/lib.rs") is not None or "lib" in project.toml(f"{prefix}Cargo.toml")


def _matches(folder: str, pattern: str) -> bool:
    """Return whether a pattern of a workspace names a directory. A `*` does not match a slash."""
    parts, wanted = folder.split("/"), pattern.removeprefix("./").rstrip("/").split("/")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def _member(project: Project, root: dict[str, Any], folder: str) -> CrateManifest:
    prefix = "" if folder == "." else f"{folder}/"
    data = project.toml(f"{prefix}Cargo.toml")
    package = record(data.get("package"))
    stated = package.get("name")
    name = stated if isinstance(stated, str) and re.fullmatch(r"[\w-]+", stated) else folder.rpartition("/")[2]
    programs = [str(row["name"]) for row in records(data.get("bin")) if isinstance(row.get("name"), str)]
    if package.get("autobins") is not False:
        if project.has(f"{prefix}src/main.rs") and not any(
            row.get("path") == "src/main.rs" for row in records(data.get("bin"))
        ):
            programs.insert(0, name)
        found = (
            re.fullmatch(rf"{re.escape(prefix)}src/bin/([\w-]+)(?:\.rs|/main\.rs)", file) for file in project.files
        )
        programs += sorted(match[1] for match in found if match)
    programs = [p for p in dict.fromkeys(programs) if re.fullmatch(r"[\w.-]+", p)]
    lacking = _lacking_features(data)
    programs = [program for program in programs if program not in lacking] or programs
    run = package.get("default-run")
    default = str(run) if run in programs else name if name in programs else programs[0] if programs else name
    return CrateManifest(folder, name, _version(data, root), programs, default, lacking.get(default, ()))


def _lacking_features(data: dict[str, Any]) -> dict[str, list[str]]:
    """Return the features that programs need and that are not among the default ones, by the program."""
    table = record(data.get("features"))
    given, waiting = {"default"}, ["default"]
    while waiting:
        new = set(strings(table.get(waiting.pop()))) - given
        given |= new
        waiting += new
    needed = {str(row.get("name")): strings(row.get("required-features")) for row in records(data.get("bin"))}
    found = {name: [word for word in words if word not in given] for name, words in needed.items()}
    return {name: words for name, words in found.items() if words and all(map(_FEATURE.fullmatch, words))}


def _version(data: dict[str, Any], root: dict[str, Any]) -> str | None:
    """Return the version of a crate, which may be that of its workspace."""
    own = record(data.get("package")).get("version")
    if isinstance(own, dict) or own is None:
        own = record(record(root.get("workspace")).get("package")).get("version")
    return clean_version(own)


def _chosen(project: Project, data: dict[str, Any], runs: list[CrateManifest]) -> CrateManifest | None:
    """Return the crate whose programs are installed: the only one, a default one, or the one named as the project."""
    defaults = strings(record(data.get("workspace")).get("default-members"))
    of_default = [member for member in runs if any(_matches(member.folder, pattern) for pattern in defaults)]
    named = [member for member in runs if project.name in (member.name, *member.programs)]
    for candidates in (runs, of_default, named):
        if len(candidates) == 1:
            return candidates[0]
    return None


def _locked(project: Project, reasons: list[str], todo: list[str]) -> list[tuple[str, str]]:
    """Return the fields for the crates, and tell where they come from."""
    if "vendor" in project.directories:
        reasons.append("vendor: vendored crates")
        if not project.has("Cargo.lock"):
            todo.append("lock the crates: cargo generate-lockfile")
        return []
    if not project.has("Cargo.lock"):
        todo.append("lock the crates: fpack lock")
        return [("lock", "./Cargo.lock")]
    rows = _crates(project)
    from_git = [row["name"] for row in rows if str(row.get("source", "")).startswith("git+")]
    if from_git:
        reasons.append(f"Cargo.lock: {few(from_git)} from git, which has no checksums")
        todo.append("vendor the crates, as some come from git: cargo vendor")
        return []
    fetched = sum(1 for row in rows if row.get("source"))
    if not fetched:
        return []
    reasons.append(f"Cargo.lock: {fetched} crate{'' if fetched == 1 else 's'} with checksums")
    return [("lock", "./Cargo.lock")]


def _crates(project: Project) -> list[dict[str, Any]]:
    rows = records(project.toml("Cargo.lock").get("package"))
    return [row for row in rows if isinstance(row.get("name"), str)]


def _newer(project: Project, data: dict[str, Any]) -> list[str]:
    """Return what to do if the project needs a newer compiler than the release has."""
    package = record(data.get("package")) or record(record(data.get("workspace")).get("package"))
    stated = package.get("rust-version")
    if isinstance(stated, dict):
        stated = record(record(data.get("workspace")).get("package")).get("rust-version")
    found = re.match(r"(\d{1,3})\.(\d{1,4})", stated) if isinstance(stated, str) else None
    if found is None or (int(found[1]), int(found[2])) <= RUSTC[DEFAULT]:
        return []
    have = ".".join(map(str, RUSTC[DEFAULT]))
    return [f"the crate needs Rust {stated}, and {DEFAULT} has {have}: fpack init --release {NEWER} uses a newer one"]
