"""Compare two inventories, and the findings of two audits. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from fpack.builders.debian.version import InvalidVersion, version_key

from . import model
from .settings import shown

if TYPE_CHECKING:
    from fpack.builders.audit.model import Finding

K = TypeVar("K")
V = TypeVar("V")
_SEVERITIES = ("critical", "high", "medium", "low", "negligible", "unknown")
_OPEN = ("affected", "under_investigation")
# The parts of a file's state that a change names, in this order.
_PARTS = (
    ("kind", ("kind",)),
    ("content", ("size", "sha256")),
    ("target", ("target",)),
    ("mode", ("mode",)),
    ("owner", ("uid", "gid")),
)


def compare(
    old: model.SideInventory,
    new: model.SideInventory,
    changelogs: Iterable[model.SourceChangelog] = (),
    vulnerabilities: model.Vulnerabilities | None = None,
) -> model.Comparison:
    """Return everything that differs between two inventories of the same form."""
    return model.Comparison(
        old=_summary(old),
        new=_summary(new),
        packages=tuple(package_changes(old, new)),
        sizes=tuple(
            model.SizeChange(owner, before or 0, after or 0)
            for owner, before, after in _differences(old.sizes, new.sizes)
            if (before or 0) != (after or 0)
        ),
        files=tuple(_file_changes(old.files, new.files)),
        licences=tuple(_licence_changes(old, new)),
        settings=tuple(
            model.SettingChange(name, before and shown(before), after and shown(after))
            for name, before, after in _differences(old.settings, new.settings)
        ),
        changelogs=tuple(changelogs),
        vulnerabilities=vulnerabilities,
    )


def package_changes(old: model.SideInventory, new: model.SideInventory) -> Iterator[model.PackageChange]:
    """Yield the packages that differ, sorted by name, release and architecture."""
    changes = []
    for _, before, after in _differences(old.packages, new.packages):
        if before is None or after is None:
            changes.append(model.PackageChange(model.ADDED if before is None else model.REMOVED, "", before, after))
        elif movement := _movement(before, after):
            changes.append(model.PackageChange(model.CHANGED, movement, before, after))
    return iter(sorted(changes, key=lambda change: (change.either.name, change.either.release, change.either.arch)))


def _movement(before: model.ComparedPackage, after: model.ComparedPackage) -> str:
    """Return how a package moved, or "" if both are the same package, perhaps of another date or path."""
    if before.version == after.version:
        return model.REBUILT if _are_other_files(before, after) else ""
    try:
        return model.UPGRADED if version_key(before.version) < version_key(after.version) else model.DOWNGRADED
    except InvalidVersion:
        return model.UPGRADED  # of a manifest that fpack did not write


def _are_other_files(before: model.ComparedPackage, after: model.ComparedPackage) -> bool:
    """Return whether the files of two packages are known to differ: by a digest that both have.

    An archive's index has SHA-256, SHA-512 or both, and an archive may move from one to the other.
    """
    pairs = ((before.sha256, after.sha256), (before.sha512, after.sha512))
    common = [(old, new) for old, new in pairs if old and new]
    return bool(common) and (before.arch != after.arch or any(old != new for old, new in common))


def summarise_files(changes: Iterable[model.FileChange]) -> list[model.FileSummary]:
    """Return the number of files that differ by owner, sorted; those of no owner come last."""
    counts: dict[str, dict[str, int]] = {}
    for change in changes:
        of_owner = counts.setdefault(change.owner, dict.fromkeys((model.ADDED, model.REMOVED, model.CHANGED), 0))
        of_owner[change.change] += 1
    return [
        model.FileSummary(owner, *counts[owner].values())
        for owner in sorted(counts, key=lambda owner: (not owner, owner))
    ]


def _file_changes(old: Mapping[str, model.FileState], new: Mapping[str, model.FileState]) -> Iterator[model.FileChange]:
    for path, before, after in _differences(old, new):
        if before is None or after is None:
            state = before or after
            assert state is not None
            yield model.FileChange(
                path, model.ADDED if before is None else model.REMOVED, state.owner, (), before, after
            )
            continue
        parts = tuple(part for part, fields in _PARTS if any(getattr(before, f) != getattr(after, f) for f in fields))
        if parts:  # a file that moved from one package to another is the same file
            yield model.FileChange(path, model.CHANGED, after.owner, parts, before, after)


def _licence_changes(old: model.SideInventory, new: model.SideInventory) -> Iterator[model.LicenceChange]:
    """Yield the packages whose licence is another one, and the licences of those that are only in one side."""
    before_names, after_names = ({name for *_, name in side.packages} for side in (old, new))
    for package in sorted(old.licences.keys() | new.licences.keys()):
        before, after = old.licences.get(package, ""), new.licences.get(package, "")
        known = (before or package not in before_names) and (after or package not in after_names)
        if known and before != after:
            yield model.LicenceChange(package, before, after)


def vulnerabilities(old: Sequence[Finding], new: Sequence[Finding]) -> model.Vulnerabilities:
    """Compare the findings of two audits: those of a product that is affected, or may be."""
    # A lock can be of several releases. Of an image whose release changed, a vulnerability remains the same one.
    several = any(len({finding.product.release for finding in side}) > 1 for side in (old, new))
    before, after = _open_findings(old, several), _open_findings(new, several)
    return model.Vulnerabilities(
        fixed=_vulnerabilities(before[key] for key in before.keys() - after.keys()),
        new=_vulnerabilities(after[key] for key in after.keys() - before.keys()),
        remaining=len(before.keys() & after.keys()),
    )


def _open_findings(findings: Iterable[Finding], several: bool) -> dict[tuple[str, str, str, str], Finding]:
    return {
        (
            finding.advisory.id,
            finding.product.ecosystem,
            finding.product.release if several else "",
            finding.product.name,
        ): finding
        for finding in findings
        if finding.status in _OPEN
    }


def _vulnerabilities(findings: Iterable[Finding]) -> tuple[model.VulnerabilityChange, ...]:
    """Return findings as records, the worst first."""
    found = [
        model.VulnerabilityChange(
            finding.advisory.id,
            finding.product.name,
            finding.product.version,
            finding.advisory.severity,
            finding.status,
            finding.advisory.description,
        )
        for finding in findings
    ]
    return tuple(sorted(found, key=lambda item: (_rank(item.severity), item.id, item.package)))


def _rank(severity: str) -> int:
    return _SEVERITIES.index(severity) if severity in _SEVERITIES else len(_SEVERITIES)


def _summary(side: model.SideInventory) -> model.SideSummary:
    return model.SideSummary(side.name, side.form, side.digest, len(side.packages), side.compressed, side.size)


def _differences(old: Mapping[K, V], new: Mapping[K, V]) -> Iterator[tuple[K, V | None, V | None]]:
    """Yield (key, old, new) for each key whose values differ, sorted."""
    for key in sorted(old.keys() | new.keys()):  # type: ignore[type-var]
        before, after = old.get(key), new.get(key)
        if before != after:
            yield key, before, after
