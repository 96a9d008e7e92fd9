"""`fpack challenge`: compare what caches and this machine say a build gives."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click
from fpack.cli import options as shared

if TYPE_CHECKING:
    from fpack.builders.caches.challenge import ChallengedOutput
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.derivation import Output
    from fpack.store.path import StorePath


@click.command(
    "challenge",
    epilog="""\b
Examples:
  fpack challenge app                   what this machine built, and what each cache says
  fpack challenge app --rebuild         build it once more here, and compare
  fpack challenge app --all             each derivation that it was built from""",
)
@click.argument("targets", nargs=-1, metavar="[WHAT]...")
@click.option("--cache", "addresses", multiple=True, metavar="URL", help="A cache to ask. Default: the setting caches.")
@click.option("--rebuild", is_flag=True, help="Build each output again on this machine, and compare.")
@click.option("--all", "everything", is_flag=True, help="Also compare what WHAT was built from.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.plain_http
@shared.building
def command(
    targets: tuple[str, ...], addresses: tuple[str, ...], rebuild: bool, everything: bool, as_json: bool, **rest: Any
) -> int:
    """Show which store path each signer in each cache, and this machine, recorded for each output of WHAT.

    Exit with 1 if two of them differ: the build is not reproducible, or a signer is wrong. A path that this machine
    fetched from a cache does not count as its own result; --rebuild makes one.
    """
    from fpack.builders.caches.challenge import DIFFER, challenge
    from fpack.builders.kinds.table import generation
    from fpack.cli.errors import UsageError
    from fpack.cli.workspace.caches.opener import open_cache
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.settings import CACHES

    caches = [open_cache(address) for address in dict.fromkeys(addresses or CACHES.find())]
    if not caches and not rebuild:
        raise UsageError("No cache is named", hint="give --cache URL, the setting caches, or --rebuild")
    for cache in caches:
        cache.refresh()
    with Workspace(shared.options(rest)) as workspace:
        outputs = _outputs(workspace, targets, everything)
        if rebuild:
            workspace.realise(list(outputs))
        rebuilt = _rebuilt(workspace, outputs) if rebuild else {}
        local = _local(workspace, outputs)
        keys = {output: key for output, path in local.items() if (key := _key(workspace, output, path))}
        found = challenge(caches, outputs, generation(), keys, local, rebuilt)
        workspace.finish()
    if as_json:
        shared.print_json({"outputs": [_json(entry) for entry in found]})
    else:
        for entry in found:
            _show(entry)
    return 1 if any(entry.verdict == DIFFER for entry in found) else 0


def _outputs(workspace: Workspace, targets: tuple[str, ...], everything: bool) -> dict[Output, str]:
    """Return the outputs to compare, and the names of their derivations."""
    from fpack.cli.workspace.containers import outputs_of
    from fpack.cli.workspace.project_package import project_package
    from fpack.store.derivation import Output

    found: dict[Output, str] = {}
    for text in targets or (None,):
        target = workspace.target(text)
        if target.file is not None and (text is None or "#" not in text):
            target = project_package(workspace, target)
        todo = [entry.output for entry in outputs_of(workspace, target, together=False)]
        workspace.store.plan(workspace.evaluator.derivations)
        while todo:
            output = todo.pop(0)
            drv = workspace.store.derivation(output.derivation)
            if output in found or drv is None:
                continue
            found[output] = drv.name
            if everything:
                todo += [Output(*other) for other in drv.inputs]
    return found


def _local(workspace: Workspace, outputs: dict[Output, str]) -> dict[Output, StorePath]:
    """Return the outputs that this machine built itself."""
    fetched = {
        (entry.derivation, entry.path) for entry in workspace.store.database.history() if entry.outcome == "substituted"
    }
    found = {}
    for output in outputs:
        path = workspace.store.database.built(output)
        if path is not None and (output.derivation, path) not in fetched:
            found[output] = path
    return found


def _key(workspace: Workspace, output: Output, path: StorePath) -> bytes:
    """Return the key of the resolved derivation that gave a path, or b"" if several or none are known."""
    keys = [key for key, name in workspace.store.database.realisations_of(path) if name == output.name]
    return keys[0] if len(keys) == 1 else b""


def _rebuilt(workspace: Workspace, outputs: dict[Output, str]) -> dict[Output, StorePath]:
    from fpack.builders.rootfs.view import assemble
    from fpack.builders.scheduler.rebuild import Rebuilder
    from fpack.cli.ui.progress import reporter
    from fpack.store.derivation import Output

    found = {}
    shown = reporter(workspace.options.verbose, logs=workspace.options.build_logs)
    try:
        for digest in dict.fromkeys(output.derivation for output in outputs):
            with Rebuilder(workspace.store, digest, shown, assemble, workspace.realise) as builds:
                for made in builds.run(workspace.builders[builds.drv.kind]):
                    found[Output(digest, made.output)] = made.made
    finally:
        shown.close()
    return found


def _json(entry: ChallengedOutput) -> dict[str, Any]:
    return {
        "name": entry.name,
        "output": entry.output,
        "verdict": entry.verdict,
        "witnesses": [
            {
                "path": f"/fpack/store/{witness.base}",
                "source": witness.source,
                "signer": witness.signer.fingerprint if witness.signer else None,
                "key": witness.signer.name if witness.signer else None,
                "time": witness.time // 1000 if witness.time else None,
            }
            for witness in entry.witnesses
        ],
    }


def _show(entry: ChallengedOutput) -> None:
    from fpack.store.errors import printable

    output = "" if entry.output == "out" else f".{entry.output}"
    print(printable(f"{entry.name}{output}: {entry.verdict}"))
    for witness in entry.witnesses:
        signed = ""
        if witness.signer:
            day = time.strftime("%Y-%m-%d", time.gmtime(witness.time / 1000))
            signed = f", signed by {witness.signer.name} on {day}"
        print(printable(f"  {witness.base}  {witness.source}{signed}"))
