"""Build the tools of a session, and keep them while it runs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fpack.cli.errors import UsageError
from fpack.cli.shared_options import SharedOptions
from fpack.cli.workspace.workspace import Workspace
from fpack.store import leases
from fpack.store.errors import FpackError

_RELEASE = "trixie"  # whose tools they are, unless a package of another release is among them


@contextmanager
def held(options: SharedOptions, names: Sequence[str]) -> Iterator[Path]:
    """Build the usual tools and some packages, and keep them. Yield the directory of their programs and data.

    names: as in `gdb` or debian.sid.gdb. The project's lock does not change: the tools are the user's.
    """
    with Workspace(options._replace(lock=None, frozen=False, arch=None, fields={})) as workspace:
        disk, lease = _build(workspace, names)
    try:
        yield disk
    finally:
        os.close(lease)


def _build(workspace: Workspace, names: Sequence[str]) -> tuple[Path, int]:
    """Return the directory of the tools, and a descriptor that keeps them from gc."""
    from fpack.builders.kinds.relocated import DIRECTORY

    release, packages = _packages(names)
    workspace.target(f"debian.{release}.bash", own_lock=True)
    evaluator = workspace.evaluator
    made = evaluator.force(
        evaluator.call(evaluator.expression('import("fpack/debug").tools'), {"release": release, "more": packages})
    )
    paths = workspace.realise([workspace.output(made)])
    store = workspace.store
    name = f"debug-{hashlib.sha256(str(paths[0]).encode()).hexdigest()[:16]}"
    lease = leases.begin(store, name, paths)
    if lease is None:
        raise FpackError("The tools were deleted while they were being built", hint="run the same command again")
    store.used(paths, "", "debug")
    workspace.finish()
    store.tree(paths[0]).check()
    return store.disk(paths[0]) / DIRECTORY, lease


def _packages(names: Sequence[str]) -> tuple[str, list[str]]:
    """Return the release of the tools, and the names of packages of it."""
    releases, packages = set(), []
    for text in names:
        release, dot, name = text.removeprefix("debian.").partition(".")
        if text.startswith("debian.") and dot:
            releases.add(release)
            packages.append(name)
        else:
            packages.append(text)
    if len(releases) > 1:
        raise UsageError(
            "The tools are of several releases", why=" and ".join(sorted(releases)), hint="name packages of one release"
        )
    return (releases.pop() if releases else _RELEASE), packages
