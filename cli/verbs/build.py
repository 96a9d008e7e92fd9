"""`fpack build`: build a derivation and link to the result."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from fpack.cli import options as shared
from fpack.cli.option_table import BUILD

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
  fpack build app -L                    show the output of the build
  fpack build app --explain             only show why it must be built
  fpack build app --rounds 3            build it three more times and compare""",
)
@click.argument("what", required=False)
@shared.from_table(BUILD)
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
    """Build WHAT and print its store path. The link protects it, and all that it needs, from gc."""
    from fpack.cli.builds.warm_start import AnswerRecorder, BuildRequest, show
    from fpack.cli.errors import UsageError
    from fpack.cli.workspace.containers import output_of
    from fpack.cli.workspace.workspace import Workspace

    options = shared.options(rest)
    request = BuildRequest(what, lock=str(options.lock or ""), arch=options.arch or "")
    with Workspace(options) as workspace:
        with AnswerRecorder(None if explain or check or rounds else request) as recorder:
            target = workspace.target(what)
            output = output_of(workspace, target)
            recorder.evaluated(workspace, target)
        if explain:
            _explain(workspace, output)
            workspace.finish()
            return 0
        if not no_link and (link.exists() or link.is_symlink()) and not link.is_symlink():
            raise UsageError(
                "The link would replace an existing file", where=str(link), hint="choose another link with -o"
            )
        if not no_link and not link.absolute().parent.is_dir():
            directory = link.absolute().parent
            raise UsageError(f"{link} cannot be made", why=f"there is no directory {directory}", hint="create it first")
        path = _realise(workspace, output)
        workspace.store.used([path], workspace.project_name, target.text)
        disk = workspace.store.disk(path)
        if not no_link:
            from fpack.store.gc import add_root

            add_root(workspace.store, link, disk)
        workspace.finish()
        recorder.keep(path, workspace.store.closure([path]))
        _show_cut_off(workspace)
        if check or rounds:
            from fpack.cli.builds.reproducibility import check_rebuilds

            check_rebuilds(workspace, output, rounds or 1)
    show(path, disk, None if no_link else link, as_json)
    return 0


def _realise(workspace: Workspace, output: Output) -> StorePath:
    from fpack.store.errors import FpackError

    try:
        (path,) = workspace.realise([output])
    except FpackError as error:
        if workspace.options.shell_on_failure:
            raise _shell(error, workspace.options.keep_failed) from None
        raise
    return path


def _shell(error: FpackError, keep: bool) -> FpackError:
    """Open a shell in the sandbox of the first failed build, if any. Return the error for the user."""
    from fpack.builders.kinds.exec import PhaseFailed, kept_shell
    from fpack.cli.ui.render import note, show_error
    from fpack.store.files.remove import remove_tree

    failures = getattr(error, "failures", ())
    failed = next((entry for _, entry in failures if isinstance(entry, PhaseFailed) and entry.kept), None)
    if failed is None or failed.kept is None:
        return error
    if not sys.stdin.isatty():
        note("no shell was opened: standard input is not a terminal")
    else:
        show_error(failed)
        note(f"a shell in the sandbox of {failed.where}; its phases are in /run/fpack, and `exit` leaves it")
        kept_shell(failed.kept)
    if keep:
        return error
    remove_tree(failed.kept.work.directory)
    hint = "--keep-failed keeps the directory of a failed build"
    told = [(name, entry.with_(hint=hint) if entry is failed else entry) for name, entry in failures]
    return error.with_(hint=hint, failures=told)


def _show_cut_off(workspace: Workspace) -> None:
    from fpack.cli.ui.render import note

    found = {name: made for name, made in workspace.cut_off.items() if made}
    for name, made in list(found.items())[:_SHOWN]:
        unchanged = f" and {len(made) - 1} more are unchanged" if len(made) > 1 else " is unchanged"
        note(f"{name} was not rebuilt: {made[0]}{unchanged}")
    if len(found) > _SHOWN:
        note(f"and {len(found) - _SHOWN} more were not rebuilt, for the same reason")


def _explain(workspace: Workspace, output: Output) -> None:
    from fpack.cli.builds.explain import Explainer
    from fpack.store.errors import printable

    made = workspace.evaluator
    explainer = Explainer(workspace.store, made.derivations, made.source_paths, made.source_selections)
    for line in explainer.lines(output):
        print(printable(line))
