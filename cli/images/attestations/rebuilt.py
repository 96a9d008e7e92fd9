"""Tell which packages of an image were reproduced: ask the configured rebuilders or a bundle, and show the results."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fpack.cli.errors import UsageError
from fpack.cli.ui.render import counted

if TYPE_CHECKING:
    from fpack.builders.attest.rebuilder_policy import RebuilderPolicy
    from fpack.builders.attest.rebuilders import OperatorResult, PackageResult, RebuilderAnswers
    from fpack.builders.debian.lock.records import LockedDeb
    from fpack.cli.ui.layout import Page
    from fpack.cli.workspace.workspace import Workspace

REFUSED_STATUS, UNKNOWN_STATUS = 1, 6
MAX_SHOWN = 40
_FIELDS = ("name", "version", "arch", "sha256", "sha512", "verdict", "reason")
_THRESHOLD = re.compile(r"([1-9][0-9]?)(?:/([1-9][0-9]?))?\Z")


def find_policy(path: Path | None, threshold: str = "") -> RebuilderPolicy:
    """Return the policy of a file, or of the configured one. threshold: `N` or `N/M`, which replaces its own.

    Raise UsageError if there are not M operators, or fewer than N.
    """
    from fpack.builders.attest.rebuilder_policy import read_policy
    from fpack.store.settings import REBUILDERS

    match = _THRESHOLD.match(threshold)
    if threshold and match is None:
        raise UsageError(
            f"{threshold!r} is not a number of operators",
            hint="write --rebuilt=2 or --rebuilt=2/3, or --rebuilt without a number after IMAGE",
        )
    found = read_policy(Path(REBUILDERS.find(str(path) if path else None)))
    if match is None:
        return found
    required, count = int(match[1]), len(found.operators)
    if match[2] and int(match[2]) != count:
        raise UsageError(
            f"--rebuilt={threshold} needs {match[2]} operators",
            why=f"the policy names {count}",
            hint="--policy names another file; see docs/rebuilders.md",
        )
    if required > count:
        raise UsageError(
            f"{required} operators cannot agree",
            why=f"the policy names {count}",
            hint="--policy names another file; see docs/rebuilders.md",
        )
    return found._replace(required=required)


def of_options(
    threshold: str | None, bundle: Path | None, policy: Path | None, offline: bool
) -> RebuilderPolicy | None:
    """Return the policy of the options of `verify`, or None without --rebuilt. threshold: its value."""
    if threshold is None:
        for name, path in (("--rebuilders", bundle), ("--policy", policy)):
            if path is not None:
                raise UsageError(f"{name} needs --rebuilt", hint=f"leave out {name}, or add --rebuilt")
        return None
    if offline and bundle is None:
        raise UsageError("--rebuilt asks the rebuilders", hint="name their answers with --rebuilders FILE")
    return find_policy(policy, threshold)


def of_page(bundle: Path | None, policy: Path | None, offline: bool) -> RebuilderPolicy | None:
    """Return the policy of the options of a page, or None if no rebuilder is to be asked.

    Nobody is asked offline, except a bundle, nor if no policy is named or configured.
    """
    from fpack.store.settings import REBUILDERS

    if bundle is None:
        if offline and policy is not None:
            raise UsageError("--policy asks the rebuilders", hint="name their answers with --rebuilders FILE")
        if offline or (policy is None and not Path(REBUILDERS.find(None)).exists()):
            return None
    return find_policy(policy)


def of_images(
    images: Sequence[Sequence[LockedDeb]], policy: RebuilderPolicy, bundle: Path | None
) -> list[tuple[PackageResult, ...]]:
    """Return who reproduced the packages of each image."""
    from fpack.builders.attest.rebuilders import evaluate

    documents = find_documents([package for packages in images for package in packages], policy, bundle)
    return [evaluate(packages, policy, documents) for packages in images]


def find_documents(packages: Sequence[LockedDeb], policy: RebuilderPolicy, bundle: Path | None) -> RebuilderAnswers:
    """Return the documents of a bundle, or ask the servers of the policy."""
    if bundle is not None:
        from fpack.builders.attest import rebuilder_bundle

        return rebuilder_bundle.read(bundle)
    import sys

    from fpack.builders.attest.rebuilder_client import RebuilderClient, collect

    client = RebuilderClient()
    if packages:
        text = f"Asking {counted(len(policy.operators), 'rebuilder')} about {counted(len(packages), 'package')}"
        sys.stderr.write(text + "\n")
        collect(packages, policy.operators, client)
    return client.documents


def locked_packages(workspace: Workspace, what: str | None, platform: str | None) -> Sequence[LockedDeb]:
    """Return the packages of an image by its manifest."""
    from fpack.cli.images.subject import open_subject

    found = open_subject(workspace, what, platform).manifest().head.lock.packages
    workspace.finish()
    return found


def status(results: Iterable[PackageResult]) -> int:
    """Return the exit status: 1 if a package was not reproduced, 6 if too few rebuilders answered, else 0."""
    from fpack.builders.attest.rebuilders import REFUSED, UNKNOWN

    verdicts = {result.verdict for result in results}
    return REFUSED_STATUS if REFUSED in verdicts else UNKNOWN_STATUS if UNKNOWN in verdicts else 0


def value(results: Sequence[PackageResult], policy: RebuilderPolicy) -> dict[str, Any]:
    """Return the results for --json."""
    from fpack.builders.attest.rebuilders import ENOUGH, EXCEPTED, REFUSED, UNKNOWN

    counts = Counter(result.verdict for result in results)
    return {
        "required": policy.required,
        "operators": [operator.name for operator in policy.operators],
        "counts": {verdict: counts[verdict] for verdict in (ENOUGH, EXCEPTED, REFUSED, UNKNOWN)},
        "packages": [
            {
                **{name: getattr(result, name) for name in _FIELDS},
                "operators": [{**found._asdict(), "keys": list(found.keys)} for found in result.operators],
            }
            for result in results
        ],
    }


def summary(results: Sequence[PackageResult], policy: RebuilderPolicy) -> str:
    """Return one line that counts the packages."""
    from fpack.builders.attest.rebuilders import ENOUGH, EXCEPTED, UNKNOWN

    counts = Counter(result.verdict for result in results)
    by = f"by {policy.required} of {counted(len(policy.operators), 'operator')}"
    parts = [f"{counts[ENOUGH]} of {counted(len(results), 'Debian package')} reproduced {by}"]
    parts += [f"{counts[EXCEPTED]} excepted"] if counts[EXCEPTED] else []
    parts += [f"{counts[UNKNOWN]} unknown, since too few operators answered"] if counts[UNKNOWN] else []
    return ", ".join(parts)


def shortfall(results: Iterable[PackageResult]) -> tuple[str, str]:
    """Return the words for packages that were not reproduced, and for those of which it is not known."""
    from fpack.builders.attest.rebuilders import REFUSED, UNKNOWN

    counts = Counter(result.verdict for result in results)
    refused, unknown = counts[REFUSED], counts[UNKNOWN]
    return (
        f"{counted(refused, 'package')} not reproduced by enough rebuilders" if refused else "",
        f"whether {counted(unknown, 'package')} were reproduced: too few rebuilders answered" if unknown else "",
    )


def brief(results: Sequence[PackageResult], policy: RebuilderPolicy, verbose: bool) -> list[str]:
    """Return the lines for `verify`: the counts, and each package that is not reproduced."""
    from fpack.builders.attest.rebuilders import ENOUGH

    lines = [f"  {summary(results, policy)}"]
    listed = [result for result in results if verbose or result.verdict != ENOUGH]
    shown = listed if verbose else listed[:MAX_SHOWN]
    for result in shown:
        said = "; ".join(f"{found.operator}: {_state(found)}" for found in result.operators)
        about = f"excepted: {result.reason}; {said}" if result.reason else said
        lines.append(f"    {result.name} {result.version}: {about}")
    if len(listed) > len(shown):
        lines.append(f"    and {len(listed) - len(shown)} more (-v and --json show all)")
    return lines


def table(page: Page, results: Sequence[PackageResult], policy: RebuilderPolicy) -> list[str]:
    """Return the lines of a table of all packages with what each operator says, and the reasons below it."""
    from fpack.builders.attest.rebuilders import EXCEPTED
    from fpack.cli.ui.layout import clean

    names = [clean(operator.name) for operator in policy.operators]
    rows = [["package", "version", "verdict", *names]]
    notes: dict[str, list[str]] = {}
    for result in results:
        states = [found.state for found in result.operators]
        rows.append([clean(result.name), clean(result.version), result.verdict, *states])
        if result.verdict == EXCEPTED:
            notes.setdefault(f"excepted: {result.reason}", []).append(result.name)
        for found in result.operators:
            if found.why:
                notes.setdefault(f"{found.operator}, {found.server}: {found.why}", []).append(result.name)
    lines = page.table(rows)
    lines[0] = page.paint(lines[0], "dim")
    for note, packages in sorted(notes.items()):
        some = ", ".join(packages[:4]) + (f" and {len(packages) - 4} more" if len(packages) > 4 else "")
        lines.append(clean(f"{note} ({some})"))
    return [*lines, page.paint(summary(results, policy), "bold")]


def _state(found: OperatorResult) -> str:
    return f"{found.state}, {found.why}" if found.why else found.state
