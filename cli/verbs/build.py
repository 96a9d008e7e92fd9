"""`fpack build`: build a derivation and link to the result."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from fpack.cli import options as shared
from fpack.cli.option_table import BUILD

if TYPE_CHECKING:
    from fpack.cli.workspace.containers import NamedOutput
    from fpack.cli.workspace.target import Target
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.derivation import Output
    from fpack.store.errors import FpackError
    from fpack.store.path import StorePath

_SHOWN = 5  # outputs to name


@click.command(
    "build",
    epilog="""\b
Examples:
  fpack build                           the package of ./fpack.fp, linked from ./result
  fpack build image                     an attribute of ./fpack.fp
  fpack build postgres                  a curated image
  fpack build api.fp#app -o app         an attribute of a file, linked from ./app
  fpack build app.dev ./result          an output, and what a store path was built from
  fpack build tools                     each member of a list or a record: result-NAME, or --together in one image
  fpack build -e 'text("a", "b")'       the value of an expression
  fpack build app --no-link --json
  fpack build app -L                    show the output of the build
  fpack build app --explain             only show why it must be built
  fpack build app --rounds 3            build it three more times and compare""",
)
@click.argument("what", required=False)
@shared.from_table(BUILD)
def command(
    what: str | None,
    expression: str | None,
    together: bool,
    link: Path,
    no_link: bool,
    as_json: bool,
    explain: bool,
    check: bool,
    rounds: int | None,
    **rest: Any,
) -> int:
    """Build WHAT, print its store path, and make the link ./result to it, which keeps it from fpack gc.

    WHAT is a package, a derivation or one of its outputs, a container, a shell, a service, a path or a store path. A
    list or a record builds each member, with a link for each. Without WHAT, or for a file without an attribute, the
    project's package is built: the first one in its `image` that is built from source, or the only one of the file;
    else `image`.
    """
    from fpack.cli.builds.warm_start import BuildRequest, name, show, show_several
    from fpack.cli.workspace.containers import outputs_of
    from fpack.cli.workspace.evaluation.answers import AnswerRecorder
    from fpack.cli.workspace.project_package import project_package
    from fpack.cli.workspace.workspace import Workspace

    text = shared.target_text(what, expression)
    options = shared.options(rest)
    request = BuildRequest(text, lock=str(options.lock or ""), arch=options.arch or "")
    with Workspace(options) as workspace:
        target = workspace.target(text)
        is_unnamed = target.file is not None and (text is None or "#" not in text)
        is_common = not (explain or check or rounds or together or target.store or target.expression)
        with AnswerRecorder(name(request) if is_common else "") as recorder:
            if is_unnamed:
                target = project_package(workspace, target)
            wanted = outputs_of(workspace, target, together=together)
            if not wanted[0].member:
                recorder.evaluated(workspace, target)
        outputs = [entry.output for entry in wanted]
        several = bool(wanted[0].member)
        if explain:
            for output in outputs:
                _explain(workspace, output)
            workspace.finish()
            return 0
        links = [None if no_link else _link(link, entry) for entry in wanted]
        start = time.time()
        paths = _realise(workspace, outputs)
        workspace.store.used(paths, workspace.project_name, target.text)
        disks = [workspace.store.disk(path) for path in paths]
        _add_roots(workspace, links, disks)
        if not several and os.stat(disks[0]).st_ctime >= start:
            _tell_lacking(workspace, target, disks[0])
        workspace.finish()
        if not several:
            recorder.keep(str(paths[0]), [path.base for path in workspace.store.closure(paths)])
        _show_cut_off(workspace)
        if check or rounds:
            from fpack.cli.builds.reproducibility import check_rebuilds

            for output in outputs:
                check_rebuilds(workspace, output, rounds or 1)
    if several:
        show_several([entry.member for entry in wanted], paths, disks, links, as_json)
    else:
        show(paths[0], disks[0], links[0], as_json)
    return 0


def _link(link: Path, entry: NamedOutput) -> Path | None:
    """Return the link to an output: that of the option, with the member's name appended for one of several."""
    from fpack.cli.errors import UsageError
    from fpack.store.path import clean_name

    if entry.member:
        link = link.with_name(f"{link.name}-{clean_name(entry.member)}")
    if (link.exists() or link.is_symlink()) and not link.is_symlink():
        raise UsageError("The link would replace an existing file", where=str(link), hint="choose another link with -o")
    if not link.absolute().parent.is_dir():
        directory = link.absolute().parent
        raise UsageError(f"{link} cannot be made", why=f"there is no directory {directory}", hint="create it first")
    return link


def _add_roots(workspace: Workspace, links: Sequence[Path | None], disks: Sequence[Path]) -> None:
    """Make the links to outputs, which keep them from garbage collection."""
    for link, disk in zip(links, disks, strict=True):
        if link is not None:
            from fpack.store.gc import add_root

            add_root(workspace.store, link, disk)


def _tell_lacking(workspace: Workspace, target: Target, disk: Path) -> None:
    """Tell which libraries the files of a new output load and the package does not have."""
    if target.file is not None:
        from fpack.cli.init.fix.loaded import tell_lacking

        text = target.file.read_text("utf-8", "replace")
        tell_lacking(workspace, ".".join(target.path), text, workspace.value(target), disk)


def _realise(workspace: Workspace, outputs: Sequence[Output]) -> list[StorePath]:
    from fpack.store.errors import FpackError

    try:
        return workspace.realise(outputs)
    except FpackError as error:
        if workspace.options.shell_on_failure:
            raise _shell(error, workspace.options.keep_failed) from None
        raise


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
