"""Make the images of one command: of several things, each for several platforms.

Each image has a workspace of its own, since a lock and an evaluation are for one project and one architecture. All is
evaluated before anything is built, so that what is packed together comes from one state of its lock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fpack.cli.errors import UsageError
from fpack.cli.options import Options
from fpack.cli.workspace.workspace import Container, Workspace
from fpack.store.derivation import Output
from fpack.store.errors import FpackError

from . import manifests as attach

if TYPE_CHECKING:
    from fpack.builders.export.oci import Bundle


class Made(NamedTuple):
    """One thing that was packed. archs: Debian's, in the order of `images`. manifests: none if not asked for.

    bundle: what is exported; images, manifests: where their outputs lie; disk: where a store path lies.
    """

    container: Container
    archs: tuple[str, ...]
    bundle: Bundle
    images: tuple[Path, ...]
    manifests: tuple[Path, ...]
    disk: Callable[[str], Path]


class _Job(NamedTuple):
    """One image to build."""

    workspace: Workspace
    container: Container
    wanted: list[Output]


def architectures(platforms: Sequence[str], options: Options) -> list[str | None]:
    """The Debian architectures of `--platform`'s values, each a list with commas; [None] for the machine's own."""
    names = [name for value in platforms for name in value.split(",")]
    if not names:
        return [options.arch]
    if options.arch is not None:
        raise UsageError(
            "--arch and --platform say the same in two ways", hint="--platform linux/arm64 is enough for both"
        )
    from fpack.builders.oci.spec import architecture

    try:
        return list(dict.fromkeys(architecture(name) for name in names))
    except FpackError as error:
        raise UsageError(error.what, why=error.why, hint="as in --platform linux/amd64,linux/arm64") from None


def make(
    targets: Sequence[str | None], archs: Sequence[str | None], options: Options, manifests: bool, stack: ExitStack
) -> list[Made]:
    """Evaluate and build the images of each target. Their workspaces are open as long as `stack` is."""
    from fpack.builders.export.oci import Bundle

    alone = len(targets) * len(archs) == 1
    jobs = _evaluate(targets, archs, options, manifests, stack)
    if any(_moved(job) for job in jobs):
        # A package list was gone, and the lock moved: what came before it is older now.
        jobs = _evaluate(targets, archs, options, manifests, stack)
    made = []
    for start in range(0, len(jobs), len(archs)):
        images, documents = [], []
        mine = jobs[start : start + len(archs)]
        for job in mine:
            image, *rest = job.workspace.realise(job.wanted)
            disk = job.workspace.store.disk
            images.append(disk(image))
            documents += [disk(path) for path in rest]
        first = mine[0]
        found = tuple(job.workspace.arch for job in mine)
        disk = first.workspace.store.disk
        bundle = Bundle(images, disk)
        made.append(Made(first.container, found, bundle, tuple(images), tuple(documents), disk))
    if alone:
        jobs[0].workspace.finish()
    return made


def _evaluate(
    targets: Sequence[str | None], archs: Sequence[str | None], options: Options, manifests: bool, stack: ExitStack
) -> list[_Job]:
    alone = len(targets) * len(archs) == 1
    jobs = []
    for text in targets:
        for arch in _own_first(archs):
            workspace = stack.enter_context(Workspace(options._replace(arch=arch)))
            container = workspace.container(workspace.target(text))
            wanted = [container.image]
            if manifests:
                wanted.append(attach.manifest(workspace, container))
            jobs.append(_Job(workspace, container, wanted))
            if not alone:
                # The next one may use the same lock.
                workspace.finish()
    return jobs


def _own_first(archs: Sequence[str | None]) -> list[str | None]:
    """The machine's own architecture leads: old clients take the first alone."""
    own = Workspace(Options()).arch
    return sorted(archs, key=lambda arch: arch not in (None, own))


def _moved(job: _Job) -> bool:
    """Whether the evaluation changed what was locked before."""
    return "source" in job.workspace.__dict__ and bool(job.workspace.source.moved)
