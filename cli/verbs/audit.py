"""`fpack audit`: list the known vulnerabilities of an image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from fpack.cli import options as shared
from fpack.cli.errors import UsageError
from fpack.store.errors import counted

if TYPE_CHECKING:
    from fpack.builders.audit.accepted import AcceptedEntry
    from fpack.cli.images.audit_report import FailOn, ImageReport, JudgedFinding
    from fpack.cli.images.audits import AuditedImage, Auditor
    from fpack.cli.images.subject import Subject
    from fpack.cli.images.vulnerability_data import VulnerabilityData
    from fpack.cli.ui.layout import Page
    from fpack.cli.workspace.workspace import Workspace

FAILED, UNCHECKED = 1, 6  # exit statuses; 7 if there is no data
FIXABLE = "fixable"
_HEADS: tuple[str, ...] = (
    "severity", "vulnerability", "package", "version", "fixed in", "state", "in the image"
)  # fmt: skip
_STYLES = {"critical": "red", "high": "red", "medium": "yellow"}


@click.command(
    "audit",
    epilog="""\b
Examples:
  fpack audit postgres --data debian-tracker.json     a file of Debian's security tracker
  fpack audit postgres.tar shop.tar                   image files, with the data of the settings
  fpack audit --data https://example.org/debian.json --data ./osv --data npm.zip
  fpack audit --fail-on high,fixable --sarif audit.sarif          in CI
  fpack audit nginx --ignore CVE-2026-1234='not reachable' --accepted accepted.toml

\b
The exit status is
  0  if all packages were checked, and no finding matches --fail-on;
  1  if a finding matches --fail-on, or the image cannot be read;
  2  if the command line or a list of accepted vulnerabilities is wrong;
  5  if data cannot be fetched;
  6  if no finding matches, but something was not checked: no data, old data, or damaged data;
  7  if there is no vulnerability data at all.""",
)
@click.argument("images", nargs=-1, metavar="[WHAT]...")
@shared.of_vulnerabilities
@shared.fetch_fixed
@click.option("--offline", is_flag=True, help="Use vulnerability data that was fetched before; ask no server for it.")
@click.option("--max-age", metavar="DAYS", help="Maximum age of the data, or `none`. Default: 7.")
@click.option(
    "--fail-on",
    metavar="SEVERITY[,fixable]",
    help="Exit with 1 for a vulnerability of this severity or a worse one; fixable: only if a version fixes it.",
)
@click.option(
    "--ignore", "ignored", multiple=True, metavar="ID[=REASON]", help="Accept a vulnerability; can be repeated."
)
@click.option(
    "--accepted",
    "lists",
    multiple=True,
    type=shared.OutputPath(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="A list of accepted vulnerabilities, with reasons and dates; can be repeated.",
)
@click.option("--show-suppressed", is_flag=True, help="Also show what is accepted or does not affect the image.")
@click.option(
    "--sarif", type=shared.NamedPath(path_type=Path), metavar="FILE", help="Also write the findings as SARIF 2.1.0."
)
@shared.of_rebuilders
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.of_file
@shared.building
def command(
    images: tuple[str, ...],
    platform: str | None,
    data: tuple[str, ...],
    fetch_fixed: bool,
    offline: bool,
    max_age: str | None,
    fail_on: str | None,
    ignored: tuple[str, ...],
    lists: tuple[Path, ...],
    documents: tuple[Path, ...],
    show_suppressed: bool,
    sarif: Path | None,
    rebuilt: str | None,
    bundle: Path | None,
    policy: Path | None,
    as_json: bool,
    **rest: Any,
) -> int:
    """List the known vulnerabilities of the packages in the image of each WHAT.

    WHAT is an image file, a package or an attribute. Vulnerabilities of Debian's packages are matched by source
    package; a package without any file in the image does not count. No server is told a package's name.
    """
    from fpack.cli.images.attestations import rebuilt as rebuilt_by
    from fpack.cli.images.audit_report import report, value
    from fpack.cli.images.audits import auditor
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.settings import MAX_DATA_AGE

    limit = _limit(fail_on)
    accepted = [*_ignored(ignored), *_accepted(lists)]
    max_days = MAX_DATA_AGE.find(max_age)
    trusted = rebuilt_by.of_options(rebuilt, bundle, policy, offline)
    packages = []
    options = shared.options(rest)
    with Workspace(options) as workspace:
        opened = auditor(data, documents, offline, fetch_fixed)
        now, reports = opened.now, []
        for what, subject, audited in _audited(workspace, opened, images, platform):
            reports.append(report(what or audited.name, audited, opened.data, accepted, now, max_days))
            packages.append(subject.manifest().head.lock.packages)
        workspace.finish()
    opened.warn()
    unread = len(images or (None,)) - len(reports)
    if not unread:
        _tell_unmatched(accepted, reports)
    results = rebuilt_by.of_images(packages, trusted, bundle) if trusted is not None else []
    found = {_status(reports, limit), rebuilt_by.status(sum(results, ())), UNCHECKED if unread else 0}
    status = FAILED if FAILED in found else max(found)
    if sarif is not None:
        _write_sarif(sarif, reports)
    if as_json:
        rows = [value(item, limit, accepted, now) | {"rebuilders": None} for item in reports]
        for row, answers in zip(rows, results, strict=False):
            row["rebuilders"] = trusted and rebuilt_by.value(answers, trusted)
        shared.print_json({"images": rows, "success": not status})
    elif reports:
        lines = [trusted and rebuilt_by.brief(answers, trusted, options.verbose) or () for answers in results]
        _show(reports, limit, accepted, now, show_suppressed, lines)
    return status


def _audited(
    workspace: Workspace, opened: Auditor, images: Sequence[str], platform: str | None
) -> Iterator[tuple[str | None, Subject, AuditedImage]]:
    """Audit images. Of several, show the errors of those that cannot be read, and go on."""
    from fpack.cli.images.subject import open_subject
    from fpack.cli.ui.render import show_error
    from fpack.store.errors import FpackError

    for what in images or (None,):
        try:
            subject = open_subject(workspace, what, platform)
            audited = opened.audit(workspace, subject)
        except FpackError as error:
            if len(images) < 2:
                raise
            show_error(error)
        else:
            yield what, subject, audited


def _tell_unmatched(accepted: Sequence[AcceptedEntry], reports: Sequence[ImageReport]) -> None:
    """Note each --ignore that no finding matches: it may be misspelt, or no longer needed."""
    from fpack.builders.audit.accepted import unmatched
    from fpack.cli.ui.render import note

    given = [entry for entry in accepted if entry.origin == "--ignore"]
    for entry in unmatched(given, (judged.finding for report in reports for judged in report.findings)):
        note(f"--ignore {entry.id} matches no vulnerability that was found")


def _status(reports: Sequence[ImageReport], limit: FailOn | None) -> int:
    if any(report.failing(limit) for report in reports):
        return FAILED
    return UNCHECKED if any(report.unchecked or report.unrated(limit) for report in reports) else 0


def _limit(text: str | None) -> FailOn | None:
    from fpack.builders.audit.model import SEVERITIES
    from fpack.cli.images.audit_report import FailOn

    if text is None:
        return None
    severity, comma, rest = text.partition(",")
    if severity not in SEVERITIES or (comma and rest != FIXABLE):
        raise UsageError(
            f"{text!r} cannot follow --fail-on",
            why=f"the severities are {', '.join(SEVERITIES)}",
            hint="write one of them, with ,fixable for vulnerabilities that have a fixed version",
        )
    return FailOn(severity, rest == FIXABLE)


def _ignored(texts: Sequence[str]) -> Iterator[AcceptedEntry]:
    from fpack.builders.audit.accepted import AcceptedEntry
    from fpack.builders.audit.databases.compiled import text
    from fpack.builders.audit.databases.debian_tracker import ID

    for given in texts:
        number, _, reason = given.partition("=")
        if not ID.match(number):
            raise UsageError(f"{given!r} does not name a vulnerability", hint="write --ignore CVE-2026-1234=REASON")
        yield AcceptedEntry(number, text(reason), origin="--ignore")


def _accepted(paths: Sequence[Path]) -> Iterator[AcceptedEntry]:
    from fpack.builders.audit.accepted import MAX_SIZE, read_accepted
    from fpack.store.files.regular_file import read_bytes

    for path in paths:
        try:
            data = read_bytes(path, MAX_SIZE + 1)
        except OSError as error:
            raise UsageError("The file cannot be read", where=str(path), why=error.strerror or str(error)) from None
        yield from read_accepted(data, str(path))


def _write_sarif(path: Path, reports: Sequence[ImageReport]) -> None:
    import json
    from urllib.parse import quote

    from fpack.builders.audit.sarif import SarifResult, sarif
    from fpack.cli.ui import document_output
    from fpack.cli.version import VERSION

    results = [
        SarifResult(
            quote(report.what), judged.finding, f"accepted: {judged.accepted.reason}" if judged.accepted else ""
        )
        for report in reports
        for judged in report.findings
    ]
    document_output.write([(json.dumps(sarif(results, VERSION), indent=1) + "\n").encode()], path)


# Text.


def _show(
    reports: Sequence[ImageReport],
    limit: FailOn | None,
    accepted: Sequence[AcceptedEntry],
    now: float,
    all_: bool,
    rebuilders: Sequence[Sequence[str]],
) -> None:
    """Print the reports. rebuilders: the lines about who reproduced the packages of each, or nothing."""
    from fpack.cli.ui.layout import Page, clean, show

    page = Page()
    for number, report in enumerate(reports):
        show(_image(page, report, limit, all_))
        if rebuilders:
            show([clean(line) for line in rebuilders[number]])
    show(_ending(page, reports, accepted, now))


def _image(page: Page, report: ImageReport, limit: FailOn | None, all_: bool) -> Iterator[str]:
    from fpack.cli.ui.layout import clean

    total = sum(report.counts.values())
    yield page.paint(clean(report.what), "bold") + f": {_summary(report)}"
    shown = [item for item in report.findings if all_ or item.counts]
    if shown:
        lines = page.table([_HEADS, *map(_row, shown)])
        yield page.paint(lines[0], "dim")
        for item, line in zip(shown, lines[1:], strict=True):
            severity = item.finding.advisory.severity
            style = _STYLES.get(severity) if item.counts else "dim"
            yield page.paint(severity, style) + line[len(severity) :] if style else line
    hidden = len(report.findings) - len(shown)
    if hidden:
        verb, pronoun = ("is accepted or does", "it") if hidden == 1 else ("are accepted or do", "them")
        yield f"  {hidden} more {verb} not affect the image (--show-suppressed shows {pronoun})"
    if limit is not None and total:
        about = f"{limit.severity} or worse{', and fixable' if limit.fixable else ''}"
        failing = report.failing(limit)
        yield f"  {failing} {'is' if failing == 1 else 'are'} {about}"
    if unrated := report.counts.get("unknown"):
        verb, pronoun = ("has", "it") if unrated == 1 else ("have", "them")
        yield f"  {unrated} {verb} no severity in the data; --fail-on unknown counts {pronoun}"
    if names := report.image.inventory.unidentified:
        more = f" and {len(names) - 10} more" if len(names) > 10 else ""
        yield clean(f"  no data can be about: {', '.join(names[:10])}{more}")
    for reason in report.unchecked:
        yield page.paint(clean(f"  not checked: {reason}"), "yellow")


def _summary(report: ImageReport) -> str:
    total = sum(report.counts.values())
    packages = len(report.image.inventory.products)
    without = sum(len(part.packages) for part in report.image.result.missing)
    of = (f"{packages - without} of " if without else "") + counted(packages, "package")
    if not packages:
        return "no package that vulnerability data can be about"
    if without == packages:
        return f"no data about its {counted(packages, 'package')}"
    if not total:
        return f"no known vulnerability in {of}"
    counts = ", ".join(f"{count} {name}" for name, count in report.counts.items())
    return f"{total} known {'vulnerability' if total == 1 else 'vulnerabilities'} in {of}: {counts}"


def _row(item: JudgedFinding) -> tuple[str, ...]:
    from fpack.builders.audit.model import AFFECTED
    from fpack.cli.ui.layout import clean

    finding, product, advisory = item.finding, item.finding.product, item.finding.advisory
    state = advisory.substate
    if finding.status != AFFECTED:
        state = f"{finding.status.replace('_', ' ')}: {finding.justification.replace('_', ' ')}".removesuffix(": ")
    if item.accepted is not None:
        state = f"accepted: {item.accepted.reason}".removesuffix(": ")
    names = ", ".join(binary.name for binary in product.binaries) or product.ecosystem
    row = (
        advisory.severity, advisory.id, product.name, product.version, finding.fixed or "-", state or "-", names
    )  # fmt: skip
    return tuple(clean(text) for text in row)


def _ending(page: Page, reports: Sequence[ImageReport], accepted: Sequence[AcceptedEntry], now: float) -> Iterator[str]:
    """Tell which data was used, and which entries of lists have expired."""
    import datetime

    from fpack.builders.audit.accepted import expired
    from fpack.cli.ui.layout import clean

    for item in reports[0].data:
        yield page.paint(clean(f"data: {_data(item, now)}"), "dim")
        if item.stale:
            yield page.paint(clean(f"  it was not compared with its server: {item.stale}"), "yellow")
    today = datetime.datetime.fromtimestamp(now, datetime.UTC).date()
    for entry in expired(accepted, today):
        yield page.paint(clean(f"{entry.id} was accepted until {entry.until} ({entry.origin})"), "yellow")


def _data(item: VulnerabilityData, now: float) -> str:
    from fpack.builders.debian.suites import show_date
    from fpack.cli.images.audit_report import days

    age = days(item, now)
    when = f"{show_date(int(item.date))[:10]}, " + (f"{counted(age, 'day')} old" if age else "today")
    records = counted(sum(item.source.header.rows.values()), "record")
    return f"{item.source.name}, {item.where}, of {when}, {records}"
