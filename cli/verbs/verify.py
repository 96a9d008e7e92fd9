"""`fpack verify`: check that an image holds exactly what a manifest says, and which files are Debian's."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from fpack.cli import options as shared
from fpack.cli.errors import UsageError
from fpack.cli.option_table import LOCKING, MIRROR
from fpack.cli.options import SharedOptions
from fpack.cli.workspace.target import find_image
from fpack.store.errors import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fpack.builders.verify.evidence.local import LocalEvidence
    from fpack.builders.verify.evidence.remote import Remote
    from fpack.builders.verify.findings import Report
    from fpack.builders.verify.image_archive import ImageLocation
    from fpack.builders.verify.signatures import Trust
    from fpack.builders.verify.verify import VerifiedImage, VerifyResult
    from fpack.cli.workspace.workspace import Workspace

DIFFERS, UNCHECKED = 1, 6  # exit statuses


@click.command(
    "verify",
    epilog="""\b
Examples:
  fpack verify postgres.tar --manifest trusted.json     against a manifest that you trust
  fpack verify postgres.tar --key release.pub           its manifest must be signed by this key
  fpack verify postgres.tar --key a.pub --key b.pub --threshold 2
  fpack verify postgres.tar                             against its own manifest, which proves less
  fpack verify postgres.tar --strict --allow-other 5    all but 5 files must be Debian's
  fpack verify postgres.tar --rebuild                   also build it again from the manifest
  fpack verify shop.tar --rebuild --source ./src        with a source that the image does not carry
  fpack verify postgres.tar --rebuilt=2/3               2 of 3 rebuilders must have reproduced each package
  fpack verify layout/ --json
  fpack verify registry.example/postgres:17 --key release.pub   an image in a registry
  fpack verify postgres                                 a package or an attribute: the image that is packed of it

\b
The exit status is
  0  if everything was checked and nothing differs;
  1  if the image differs, cannot be read, has more files from elsewhere than --strict allows, or has a package
     that too few rebuilders reproduced;
  6  if nothing differs, but something could not be checked.""",
)
@click.argument("image")
@click.option(
    "--manifest",
    "manifests",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A manifest that you trust, in either format; repeat it for each platform.",
)
@click.option(
    "--key",
    "keys",
    multiple=True,
    metavar="KEY",
    help="A public key that you trust: a file, or a name of yours. The manifest must be signed by it; can be repeated.",
)
@click.option(
    "--threshold", type=click.IntRange(1), metavar="N", help="N of the keys must have signed the manifest. Default: 1."
)
@click.option("--rebuild", is_flag=True, help="Build the image again, in an empty store, and compare.")
@shared.sources
@shared.of_rebuilders
@click.option("--strict", is_flag=True, help="Fail if anything does not come from the distribution's signed archive.")
@click.option(
    "--allow-other",
    type=click.IntRange(0),
    metavar="N",
    help="With --strict: exactly N entries must be from elsewhere.",
)
@shared.plain_http
@click.option("--offline", is_flag=True, help="Compare only with files on this machine; fetch nothing.")
@shared.from_table([option for option in LOCKING if option.kind == MIRROR])
@click.option("-j", "--jobs", type=click.IntRange(0, 512), default=0, help="Parallel builds; 0: one per core.")
@click.option("-v", "--verbose", is_flag=True, help="Show every difference and every step.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    image: str,
    manifests: tuple[Path, ...],
    keys: tuple[str, ...],
    threshold: int | None,
    rebuild: bool,
    sources: tuple[Path, ...],
    rebuilt: str | None,
    bundle: Path | None,
    policy: Path | None,
    strict: bool,
    allow_other: int | None,
    offline: bool,
    as_json: bool,
    verbose: bool,
    **rest: Any,
) -> int:
    """Check that IMAGE, a tar, an OCI layout or one in a registry, holds what a manifest says and nothing else.

    If IMAGE is a package or an attribute, its image is packed first, and compared with the manifest that evaluation
    gives. Files that no package of the signed archive ships are listed as files from elsewhere.
    """
    import tempfile

    from fpack.builders.intake.repository_archive import RemoteImage
    from fpack.builders.verify.verify import verify
    from fpack.cli.images.attestations import rebuilt as rebuilt_by
    from fpack.cli.images.manifests import all_beside
    from fpack.cli.ui import verification
    from fpack.cli.workspace.workspace import Workspace

    _check_rebuild(rebuild, bool(sources), offline)
    trusted = rebuilt_by.of_options(rebuilt, bundle, policy, offline)
    trust = _trust(keys, threshold)
    options = shared.SharedOptions(verbose=verbose, **rest)
    with Workspace(options) as workspace, tempfile.TemporaryDirectory() as directory:
        file = find_image(image, Path.cwd())
        path = file or _packed(image, options, Path(directory, "image.oci"))
        if isinstance(path, RemoteImage):
            path.archive().with_signatures()
        hand = _evidence(workspace, None if offline else Path(directory))
        outcome = verify(path, manifests, all_beside(path), hand, trust, _progress)
        outcome = outcome._replace(given=outcome.given or file is None)
        proven = [
            _rebuild(workspace, path, sources, part, outcome.report, hand) if rebuild else None
            for part in outcome.images
        ]
    reproduced, refusal = [], ""
    if trusted is not None:
        reproduced = rebuilt_by.of_images([part.head.lock.packages for part in outcome.images], trusted, bundle)
        refusal, unknown = rebuilt_by.shortfall(sum(reproduced, ()))
        if unknown:
            outcome.report.note(unknown, first=True)
    reasons = [refusal] if refusal else []
    if strict or allow_other is not None:
        reasons += _other_entries(outcome.others - sum(filter(None, proven)), allow_other or 0)
    status = DIFFERS if outcome.report.differs or reasons else UNCHECKED if outcome.report.notes else 0
    if as_json:
        answers = [rebuilt_by.value(found, trusted) for found in reproduced] if trusted is not None else None
        value = _value(outcome, proven, answers)
        shared.print_json({"image": image, **value, "success": status == 0, "rebuilt": None not in proven})
    else:
        lines = [] if trusted is None else [rebuilt_by.brief(found, trusted, verbose) for found in reproduced]
        verification.show(image, outcome, "; ".join(reasons), proven, lines, verbose)
    return status


def _check_rebuild(rebuild: bool, has_sources: bool, offline: bool) -> None:
    """Raise UsageError for options that --rebuild excludes or needs."""
    if has_sources and not rebuild:
        raise UsageError("--source needs --rebuild", hint="leave out --source, or add --rebuild")
    if rebuild and offline:
        raise UsageError("--rebuild fetches what the image is built from", hint="leave out --offline, or --rebuild")


def _other_entries(found: int, allowed: int) -> list[str]:
    """Return the reason for a failure if not exactly the allowed number of entries are from elsewhere."""
    if found == allowed:
        return []
    what = f"{counted(found, 'entry is', 'entries are')} from elsewhere"
    return [what + (f", and {counted(allowed, 'is', 'are')} allowed" if allowed else "")]


def _value(
    outcome: VerifyResult, proven: Sequence[int | None], answers: Sequence[dict[str, Any]] | None
) -> dict[str, Any]:
    """Return the result as plain data. proven: of each image, the rebuilt entries. answers: of the rebuilders."""
    found = outcome.value()
    for number, (value, count) in enumerate(zip(found["images"], proven, strict=True)):
        value["scripts_rebuilt"] = count or 0
        value["rebuilders"] = answers[number] if answers is not None else None
    return found


def _trust(names: Sequence[str], threshold: int | None) -> Trust:
    """Return the keys of the command line, or those of the settings. Only the command line requires signatures."""
    from fpack.builders.verify.signatures import Trust
    from fpack.cli.keys import key_files
    from fpack.store.settings import VERIFY_KEYS

    keys = key_files.load_trusted(names or VERIFY_KEYS.find())
    if threshold is not None and threshold > len(keys):
        raise UsageError(
            f"{threshold} keys cannot have signed the image",
            why=f"{len(keys)} different {'key is' if len(keys) == 1 else 'keys are'} trusted",
            hint="name each with --key, or lower --threshold",
        )
    return Trust(keys, threshold or 1, bool(names) or threshold is not None)


def _progress(done: int, total: int) -> None:
    """Show how many layers were read, if a person looks."""
    if sys.stderr.isatty():
        text = f"checking layer {done} of {total}" if done < total else ""
        sys.stderr.write(f"\r\x1b[2K{text}")
        sys.stderr.flush()


def _packed(text: str, options: SharedOptions, out: Path) -> Path:
    """Pack the image of a target as a layout with its manifest."""
    from contextlib import ExitStack

    from fpack.cli.images import formats, manifests, packing

    with ExitStack() as stack:
        (made,) = packing.make([text], [None], options, manifests.SOURCES, stack)
        formats.FORMATS["oci-dir"].write(made, out, None)
    return out


def _evidence(workspace: Workspace, directory: Path | None) -> LocalEvidence:
    """Return the files with which an image is compared: those here, and fetched ones. directory: for those, if any."""
    from fpack.builders.verify.evidence.local import LocalEvidence
    from fpack.cli.paths import cache_directory

    known = workspace.has_store
    remote = None if directory is None else _remote(workspace, directory)
    return LocalEvidence(workspace.store if known else None, cache_directory() / "debian", remote=remote)


def _remote(workspace: Workspace, directory: Path) -> Remote:
    """Return the access to the archives for files that are not on this machine."""
    from fpack.builders.verify.evidence.remote import Remote
    from fpack.cli.ui.verification import plain

    said: list[str] = []

    def say(what: str) -> None:
        if workspace.options.verbose:
            sys.stderr.write(plain(f"fetch {what}") + "\n")
        elif not said:
            said.append(what)
            sys.stderr.write("Fetching from the archive the files to compare with\n")

    return Remote(workspace.mirrors, workspace.http(), directory, say)


def _rebuild(
    workspace: Workspace,
    image: ImageLocation,
    sources: Sequence[Path],
    part: VerifiedImage,
    report: Report,
    hand: LocalEvidence,
) -> int | None:
    """Build the image again in a store that is deleted afterwards. Return how many entries Debian's scripts made.

    Return None, and note it in the report, if a source is missing.
    """
    from collections import ChainMap
    from typing import cast

    from fpack.builders.kinds.fetch import FetchBuilder
    from fpack.builders.kinds.source import SourceBuilder
    from fpack.builders.rootfs.view import assemble
    from fpack.builders.verify.rebuild import compare, rebuild
    from fpack.builders.verify.source_intake import MissingSources
    from fpack.cli.ui.progress import reporter
    from fpack.store.files.remove import remove_tree

    # The snapshot archive has old files, by the dates in the manifest's lock.
    dates = {(pin.archive, pin.file): pin.date for pin in part.head.lock.packages}
    workspace.mirrors.dated = lambda archive, path: dates.get((archive, path))
    fetch = FetchBuilder(
        workspace.http(), workspace.origins, lambda url: "use --mirror to name a mirror that still has it"
    )
    builders = ChainMap({"fetch": fetch, "source": SourceBuilder({})}, cast(Any, workspace.builders))
    directory = workspace.store.session.fresh()
    shown = reporter(workspace.options.verbose)
    try:
        made = rebuild(image, part.reader, sources, directory, builders, hand, shown, assemble, workspace.jobs)
        compare(part.head, made.output, report)
        return part.proven(made)
    except MissingSources as error:
        report.note("; ".join(filter(None, (error.what, error.why, error.hint))), first=True)
        return None
    finally:
        shown.close()
        remove_tree(directory)
