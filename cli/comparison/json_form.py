"""Turn a comparison into plain data for JSON."""

from __future__ import annotations

import os
from typing import Any

from .model import ComparedPackage, Comparison, FileChange, FileState, PackageChange, SourceChangelog

_KINDS = {"f": "file", "d": "directory", "l": "symlink"}


def value(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as plain data."""
    found = comparison.vulnerabilities
    return {
        "old": comparison.old._asdict(),
        "new": comparison.new._asdict(),
        "differs": comparison.differs,
        "packages": [_package_change(change) for change in comparison.packages],
        "sizes": [change._asdict() for change in comparison.sizes],
        "files": [_file_change(change) for change in comparison.files],
        "licences": [change._asdict() for change in comparison.licences],
        "settings": [change._asdict() for change in comparison.settings],
        "changelogs": [_changelog(item) for item in comparison.changelogs],
        "vulnerabilities": {
            "fixed": [item._asdict() for item in found.fixed],
            "new": [item._asdict() for item in found.new],
            "remaining": found.remaining,
            "without": list(found.without),
        }
        if found is not None
        else None,
    }


def _package_change(change: PackageChange) -> dict[str, Any]:
    package = change.either
    return {
        "name": package.name,
        "release": package.release,
        "arch": package.arch,
        "source": package.source,
        "change": change.change,
        "movement": change.movement or None,
        "old": _version(change.old),
        "new": _version(change.new),
    }


def _version(package: ComparedPackage | None) -> dict[str, Any] | None:
    if package is None:
        return None
    names = ("version", "source_version", "archive", "size", "sha256")
    more = {"sha512": package.sha512} if package.sha512 else {}
    return {name: getattr(package, name) for name in names} | more


def _file_change(change: FileChange) -> dict[str, Any]:
    return {
        "path": f"/{change.path}",
        "change": change.change,
        "package": change.owner,
        "parts": list(change.parts),
        "old": _state(change.old),
        "new": _state(change.new),
    }


def _state(state: FileState | None) -> dict[str, Any] | None:
    if state is None:
        return None
    return {
        "kind": _KINDS[state.kind],
        "mode": f"{state.mode:04o}",
        "uid": state.uid,
        "gid": state.gid,
        "size": state.size,
        "sha256": state.sha256.hex() or None,
        "target": os.fsdecode(state.target) or None,
    }


def _changelog(item: SourceChangelog) -> dict[str, Any]:
    return {
        "source": item.source,
        "old": item.old,
        "new": item.new,
        "packages": list(item.packages),
        "cves": list(item.cves),
        "entries": [
            {**entry._asdict(), "lines": list(entry.lines), "cves": list(entry.cves)} for entry in item.entries
        ],
        "absent": item.absent or None,
    }
