"""`fpack build`: make something and link to the result."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from fpack.cli import options as shared

if TYPE_CHECKING:
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.derivation import Output
    from fpack.store.errors import FpackError
    from fpack.store.path import StorePath

_SHOWN = 5


@click.command(
    "build",
    epilog="""\b
Examples:
  fpack build                           `image` of ./fpack.fp, linked from ./result
  fpack build app                       an attribute of ./fpack.fp
  fpack build postgres                  a curated image
  fpack build api.fp#app -o app         an attribute of a file, linked from ./app
  fpack build app --no-link --json
  fpack build app -L                    show what the build says while it runs
  fpack build app --explain             only say why it must be built
  fpack build app --rounds 3            build it three times more, and compare""",
)
@click.argument("what", required=False)
@click.option("-o", "--link", type=click.Path(path_type=Path), default=Path("result"), help="The link to make.")
@click.option("--no-link", is_flag=True, help="Make no link. Then the next gc may delete the result.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("-L", "--print-build-logs", "build_logs", is_flag=True, help="Show what builds say while they run.")
@click.option("--keep-failed", is_flag=True, help="Keep the files of a build that fails.")
@click.option("--shell-on-failure", is_flag=True, help="Open a shell in the sandbox of a build that fails.")
@click.option("--explain", is_flag=True, help="Build nothing; say why it must be built.")
@click.option("--check", "check", is_flag=True, help="Build it once more, and compare.")
@click.option(
    "--rounds", type=click.IntRange(1, 100), metavar="N", help="Build it N times more, and vary what may vary."
)
@shared.building
def command(
    what: str | None,
    link: Path,
    no_link: bool,
    as_json: bool,
    explain: bool,
    check: bool,
    rounds: int | None,
    **rest: Any,
) -> int:
    """Make WHAT and print its store path. The link keeps it, and all that it needs, from gc."""
    from fpack.cli.builds.warm_start import Keeper, Request, show
    from fpack.cli.errors import UsageError
    from fpack.cli.workspace.workspace import Workspace

    options = shared.options(rest)
    request = Request(what, lock=str(options.lock or ""), arch=options.arch or "")
    with Workspace(options) as workspace:
        with Keeper(None if explain or check or rounds else request) as keeper:
            target = workspace.target(what)
            output = workspace.derivation(target)
            keeper.evaluated(workspace, target)
        if explain:
            _explain(workspace, output)
            workspace.finish()
            return 0
        if not no_link and (link.exists() or link.is_symlink()) and not link.is_symlink():
            raise UsageError("The link would replace something else", where=str(link), hint="name another with -o")
        path = _realise(workspace, output)
        disk = workspace.store.disk(path)
        if not no_link:
            from fpack.store.gc import add_root

            add_root(workspace.store, link, disk)
        workspace.finish()
        keeper.keep(path)
        _say_cut_off(workspace)
        if check or rounds:
            from fpack.cli.builds.reproducibility import again

            again(workspace, output, rounds or 1)
    show(path, disk, None if no_link else link, as_json)
    return 0


def _realise(workspace: Workspace, output: Output) -> StorePath:
    from fpack.store.errors import FpackError

    try:
        (path,) = workspace.realise([output])
    except FpackError as error:
        if workspace.options.shell_on_failure:
            _shell(error, workspace.options.keep_failed)
        raise
    return path


def _shell(error: FpackError, keep: bool) -> None:
    """A shell in the sandbox of the first build that failed, if one did."""
    from fpack.builders.kinds.exec import PhaseFailed, kept_path, kept_shell
    from fpack.cli.ui.render import note, show_error
    from fpack.store.files.remove import remove_tree

    failures = [each for _, each in getattr(error, "failures", ())]
    failed = next((each for each in failures if isinstance(each, PhaseFailed) and each.kept), None)
    if failed is None or failed.kept is None:
        return
    if not sys.stdin.isatty():
        note("no shell is opened: standard input is not a terminal")
    else:
        show_error(failed)
        note(f"a shell in the sandbox of {failed.where}; its phases are in /run/fpack, and `exit` leaves it")
        kept_shell(failed.kept)
    if not keep:
        remove_tree(kept_path(failed.kept))
        failed.hint = error.hint = "--keep-failed keeps the files of a build that fails"


def _say_cut_off(workspace: Workspace) -> None:
    from fpack.cli.ui.render import note

    found = {name: made for name, made in workspace.cut_off.items() if made}
    for name, made in list(found.items())[:_SHOWN]:
        others = f" and {len(made) - 1} more" if len(made) > 1 else ""
        note(f"{name} was not rebuilt: {made[0]}{others} came out as before")
    if len(found) > _SHOWN:
        note(f"and {len(found) - _SHOWN} more were not rebuilt, for the same reason")


def _explain(workspace: Workspace, output: Output) -> None:
    from fpack.cli.builds.explain import Explainer
    from fpack.store.errors import printable

    explainer = Explainer(workspace.store, workspace.evaluator.derivations, workspace.evaluator.source_paths)
    for line in explainer.lines(output):
        print(printable(line))
