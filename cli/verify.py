"""`fpack verify`: prove that an image holds exactly what its manifest says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import options as shared
from .render import megabytes, paint

if TYPE_CHECKING:
    from fpack.builders.verify.athand import AtHand
    from fpack.builders.verify.report import Report
    from fpack.builders.verify.run import Outcome, Part

    from .workspace import Workspace

MAX_SHOWN = 40
MAX_NOTES = 10


@click.command(
    "verify",
    epilog="""\b
Examples:
  fpack verify postgres.tar                             against the manifest that it carries
  fpack verify postgres.tar --manifest trusted.json     against one that you trust
  fpack verify postgres.tar --rebuild                   and build it again from the manifest alone
  fpack verify layout/ --json

\b
The exit status is 0 if the image is proven, and 1 if it differs or cannot be read.""",
)
@click.argument("image", type=click.Path(path_type=Path))
@click.option(
    "--manifest",
    "manifests",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The manifest, in either form; once for each platform.",
)
@click.option("--rebuild", is_flag=True, help="Build the image again, in an empty store, and compare.")
@click.option("--strict", is_flag=True, help="Fail as well if something could not be checked on this machine.")
@click.option("--mirror", metavar="URL", help="Take Debian's files from here first, for --rebuild.")
@click.option("-j", "--jobs", type=click.IntRange(0, 512), default=0, help="Builds at once; 0: one a core.")
@click.option("-v", "--verbose", is_flag=True, help="Show every difference and every step.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    image: Path, manifests: tuple[Path, ...], rebuild: bool, strict: bool, as_json: bool, verbose: bool, **rest: Any
) -> int:
    """Prove that IMAGE, a tar or an OCI layout, holds what its manifest says and nothing else."""
    from fpack.builders.verify.athand import AtHand
    from fpack.builders.verify.run import verify

    from .attach import all_beside
    from .workspace import Workspace, cache_directory

    with Workspace(shared.Options(verbose=verbose, **rest)) as workspace:
        known = workspace.has_store
        hand = AtHand(workspace.store if known else None, cache_directory() / "debian")
        outcome = verify(image, manifests, all_beside(image.absolute()), hand)
        for part in outcome.images if rebuild else ():
            _rebuild(workspace, part, outcome.report, hand)
    report = outcome.report
    proven = report.proven and not (strict and report.notes)
    if as_json:
        shared.print_json({"image": str(image), **outcome.value(), "proven": proven, "rebuilt": rebuild})
    else:
        _show(image, outcome, proven, rebuild, verbose)
    return 0 if proven else 1


def _rebuild(workspace: Workspace, part: Part, report: Report, hand: AtHand) -> None:
    """Build again in a store that is deleted afterwards."""
    from collections import ChainMap
    from typing import cast

    from fpack.builders.fetch import Fetch
    from fpack.builders.http import Http
    from fpack.builders.verify.rebuild import compare, rebuild
    from fpack.store.remove import remove_tree

    from .progress import reporter

    # Old files are in the snapshot archive, by the dates that the manifest's own lock has.
    dates = {(pin.archive, pin.file): pin.date for pin in part.head.lock.packages}
    workspace.mirrors.dated = lambda archive, path: dates.get((archive, path))
    fetch = Fetch(Http(), workspace.mirrors.expand, lambda url: "name a mirror that still has it with --mirror")
    builders = ChainMap({"fetch": fetch}, cast(Any, workspace.builders))
    folder = workspace.store.session.fresh()
    shown = reporter(workspace.options.verbose)
    try:
        image = rebuild(part.reader(), folder, builders, hand, shown, workspace.options.jobs)
        compare(part.head, image, report)
    finally:
        shown.close()
        remove_tree(folder)


def _show(image: Path, outcome: Outcome, proven: bool, rebuilt: bool, verbose: bool) -> None:
    """The result for people."""
    import sys

    from fpack.builders.verify.run import WITHIN

    from .render import colored

    color = colored(sys.stdout)
    report = outcome.report
    verdict = paint("proven", "green", color) if proven else paint("NOT PROVEN", "red", color)
    lines = [f"{image}: {verdict}", _plain(f"  {outcome.name}  {outcome.digest}")]
    limit = len(report.findings) if verbose else MAX_SHOWN
    for finding in report.findings[:limit]:
        layer = f"  [{finding.layer}]" if finding.layer else ""
        lines.append(_plain(f"  {finding.kind}: {finding.where}: {finding.what}{layer}"))
    hidden = len(report.findings) + report.more - limit
    if hidden > 0:
        lines.append(f"  and {hidden} differences more")
    if report.proven:
        for part in outcome.images:
            lines += _proof(part, part.platform if len(outcome.images) > 1 else "")
        if outcome.images[0].manifest == WITHIN:
            lines.append("  whoever can change the image can change that manifest: --manifest names one that you trust")
        if rebuilt:
            lines.append("  built again from the manifest, it is the same")
    notes = report.notes if verbose else report.notes[:MAX_NOTES]
    lines += [_plain(f"  not checked: {note}") for note in notes]
    if len(report.notes) > len(notes):
        lines.append(f"  not checked: {len(report.notes) - len(notes)} things more (-v shows them)")
    print("\n".join(lines))


def _proof(part: Part, platform: str) -> list[str]:
    from fpack.builders.verify.run import WITHIN

    checked, packages = part.checked, part.packages
    origin = "the manifest in it" if part.manifest == WITHIN else part.manifest
    lines = [f"  {platform}  {checked.digest}"] if platform else []
    lines.append(
        f"  {checked.layers} layers, {checked.entries} entries, {checked.files} files of {megabytes(checked.size)}: "
        f"as {origin} says",
    )
    if packages:
        by = {how: sum(1 for each in packages if each.compared == how) for how in ("deb", "payload", "")}
        words = {"deb": "with their .deb files", "payload": "with their payloads in the store"}
        parts = [f"{count} compared {words[how]}" for how, count in by.items() if count and how]
        signed = sum(1 for each in packages if each.signed)
        parts.append(f"{signed} in a signed index of Debian's")
        lines.append(f"  {len(packages)} Debian packages: {', '.join(parts)}")
    lines += _signatures(part)
    return [_plain(line) for line in lines]


def _signatures(part: Part) -> list[str]:
    """When Debian signed the releases that were used, and which of the keys may not sign any more."""
    from fpack.builders.debian.suites import show_date

    if not part.signed:
        return []
    dates = [f"{suite} on {show_date(each.made)[:10]}" for suite, each in sorted(part.signed.items())]
    lines = [f"  Debian signed {', '.join(dates)}"]
    for suite, each in sorted(part.signed.items()):
        if each.trouble:
            lines.append(f"  {suite}: the key {each.key} was valid then; since then it {each.trouble}")
    return lines


def _plain(text: str) -> str:
    """What stands in an image's names must not steer a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)
