"""Audit the packages of an image: find the known vulnerabilities of each, and say which data there was for which.

Pure: the databases are open, and nothing else is read. The same arguments give the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from . import severity
from .match import fixed_version, is_affected
from .model import AFFECTED, SEVERITIES, UNDER_INVESTIGATION, Advisory, AffectedParts, Finding, Product

# A judge of findings, by the evidence of an image or the statements of others. It returns the finding or a new one.
Judge = Callable[[Finding], Finding]


class AdvisorySource(Protocol):
    """A source of advisories, such as `TrackerData` and `OsvData`."""

    name: str

    def covers(self, ecosystem: str, release: str) -> bool:
        """Return whether the source tells of an ecosystem, and of a distribution's release."""
        ...

    def advisories(self, ecosystem: str, release: str, package: str) -> Iterable[Advisory]:
        """Return all advisories about a package, also those that do not affect its version."""
        ...

    def rating(self, number: str) -> tuple[str, float | None]:
        """Return the severity and the score of a vulnerability in general."""
        ...


class Coverage(NamedTuple):
    """The packages of an ecosystem or of a release. packages: their names. sources: the data about them, if any."""

    ecosystem: str
    release: str
    packages: tuple[str, ...]
    sources: tuple[str, ...]


class AuditResult(NamedTuple):
    """The result: findings, the worst first, and what data there was. A part without sources was not audited."""

    findings: tuple[Finding, ...]
    coverage: tuple[Coverage, ...]

    @property
    def missing(self) -> tuple[Coverage, ...]:
        """The parts of the image that no data is about."""
        return tuple(part for part in self.coverage if not part.sources)


def audit(
    products: Sequence[Product],
    databases: Sequence[AdvisorySource],
    statements: Sequence[Judge] = (),
    evidence: Judge | None = None,
) -> AuditResult:
    """Return the findings of all products.

    evidence: judges a finding by the content of the image. statements: those of others, applied after it in their
    order.
    """
    judges = [*([evidence] if evidence is not None else []), *statements]
    findings = []
    for product in products:
        for found in _of_product(product, databases):
            finding = found
            for judge in judges:
                finding = judge(finding)
            findings.append(finding)
    return AuditResult(tuple(sorted(findings, key=order)), tuple(_coverage(products, databases)))


def order(finding: Finding) -> tuple[int, str, str, str, str]:
    """Return the sort key of a finding: the worst first, then by id and product."""
    product = finding.product
    rank = SEVERITIES.index(finding.advisory.severity)
    return rank, finding.advisory.id, product.ecosystem, product.name, product.version


def _coverage(products: Sequence[Product], databases: Sequence[AdvisorySource]) -> Iterator[Coverage]:
    groups: dict[tuple[str, str], set[str]] = {}
    for product in products:
        groups.setdefault((product.ecosystem, product.release), set()).add(product.name)
    for (ecosystem, release), names in sorted(groups.items()):
        sources = {database.name for database in databases if database.covers(ecosystem, release)}
        yield Coverage(ecosystem, release, tuple(sorted(names)), tuple(sorted(sources)))


def _of_product(product: Product, databases: Sequence[AdvisorySource]) -> Iterator[Finding]:
    found = [
        advisory
        for database in databases
        for advisory in database.advisories(product.ecosystem, product.release, product.name)
    ]
    for group in _grouped(found):
        finding = _finding(product, group)
        if finding is not None:
            yield _rated(finding, databases)


def _grouped(advisories: Sequence[Advisory]) -> list[list[Advisory]]:
    """Group the advisories about one vulnerability.

    Those with one CVE id are about one, and a source's own id joins its advisory with the one that has it as an alias.
    Two CVE ids are never joined, since an alias that is wrong would hide a vulnerability.
    """
    groups: dict[str, list[Advisory]] = {}
    for advisory in advisories:
        groups.setdefault(advisory.id, []).append(advisory)
    aliases: dict[str, set[str]] = {}
    for advisory in advisories:
        for alias in advisory.aliases:
            aliases.setdefault(alias, set()).add(advisory.id)
    for number in sorted(groups):
        if number.startswith("CVE-"):
            continue
        own = {alias for advisory in groups[number] for alias in advisory.aliases}
        others = aliases.get(number, set()) | {alias for alias in own if alias in groups}
        for alias in own:
            others |= aliases.get(alias, set())
        others = {other for other in others if other in groups} - {number}
        cves = {other for other in others if other.startswith("CVE-")}
        target = cves if cves else {min(others)} if others else set()
        if len(target) == 1:
            groups[target.pop()] += groups.pop(number)
    return [groups[number] for number in sorted(groups)]


def _finding(product: Product, advisories: Sequence[Advisory]) -> Finding | None:
    """Return the finding of one vulnerability, or None if no source says or may mean that the version is affected."""
    states = [(advisory, is_affected(product, advisory)) for advisory in advisories]
    hits = [advisory for advisory, state in states if state]
    unclear = [advisory for advisory, state in states if state is None]
    if not hits and not unclear:
        return None
    cleared = sorted({advisory.origin for advisory, state in states if state is False})
    evidence = [f"{origin} says that {product.version} is not affected" for origin in cleared]
    if not hits:
        origins = sorted({advisory.origin for advisory in unclear})
        evidence += [f"{origin} names no versions that can be compared with {product.version}" for origin in origins]
    advisory = _merged(hits or unclear)
    status = AFFECTED if hits else UNDER_INVESTIGATION
    return Finding(advisory, product, status, fixed_version(product, hits) if hits else "", "", tuple(evidence))


def _merged(advisories: Sequence[Advisory]) -> Advisory:
    """Return one advisory that says what all of them say of a vulnerability."""
    cves = sorted({advisory.id for advisory in advisories if advisory.id.startswith("CVE-")})
    number = cves[0] if cves else min(advisory.id for advisory in advisories)
    ids = {name for advisory in advisories for name in (advisory.id, *advisory.aliases)}
    scores = [advisory.score for advisory in advisories if advisory.score is not None]
    return advisories[0]._replace(
        id=number,
        aliases=tuple(sorted(ids - {number})),
        ranges=tuple(sorted({span for advisory in advisories for span in advisory.ranges})),
        versions=tuple(sorted({version for advisory in advisories for version in advisory.versions})),
        severity=severity.worst([advisory.severity for advisory in advisories]),
        score=max(scores, default=None),
        substate=next((advisory.substate for advisory in advisories if advisory.substate), ""),
        note=next((advisory.note for advisory in advisories if advisory.note), ""),
        description=max((advisory.description for advisory in advisories), key=len),
        urls=tuple(sorted({url for advisory in advisories for url in advisory.urls})),
        parts=_common_parts(advisories),
        origin=", ".join(sorted({advisory.origin for advisory in advisories})),
    )


def _common_parts(advisories: Sequence[Advisory]) -> AffectedParts:
    """Return the affected parts that the advisories name. If one names none, the whole package is affected."""
    kinds: list[tuple[str, ...]] = []
    for column in range(len(AffectedParts._fields)):
        named = [advisory.parts[column] for advisory in advisories]
        kinds.append(tuple(sorted({name for names in named for name in names})) if all(named) else ())
    return AffectedParts(*kinds)


def _rated(finding: Finding, databases: Sequence[AdvisorySource]) -> Finding:
    """Fill in a severity or score that the advisories do not tell from what the data says of the vulnerability."""
    advisory = finding.advisory
    if advisory.severity != severity.UNKNOWN and advisory.score is not None:
        return finding
    ratings = [database.rating(advisory.id) for database in databases]
    word = advisory.severity
    if word == severity.UNKNOWN:
        word = severity.worst([rating[0] for rating in ratings])
    scores = [score for _, score in ratings if score is not None]
    score = advisory.score if advisory.score is not None else max(scores, default=None)
    return finding._replace(advisory=advisory._replace(severity=word, score=score))
