"""Show what a shell is made of to a user that is not root, where root enters the shell.

The store, the shell's files and the project may lie where only root can reach them. They are bound below a stage, a
directory that everybody can reach, in a mount namespace of this process's own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from fpack.builders.sandbox import idmap
from fpack.builders.sandbox.bwrap import SandboxError, wheel_of
from fpack.builders.sandbox.idmap import Bind

from .plan import Mount, Plan

_STAGES = ("/mnt", "/srv", "/media", "/opt", "/tmp")
_BINDS = ("--bind", "--ro-bind", "--ro-bind-try")


class Staged(NamedTuple):
    """A plan whose sources lie below the stage, with the binds that put them there."""

    bwrap: str
    plan: Plan
    binds: tuple[Bind, ...]


def staged(bwrap: str, plan: Plan, stage: str, wheel: Iterable[str], exists: Callable[[str], bool]) -> Staged:
    """Return a plan from below `stage`. wheel: directories that bubblewrap needs, if it is a Python package's."""
    binds: dict[tuple[str, bool], Bind] = {}
    for place in wheel:
        binds[place, False] = Bind(place, f"{stage}/{os.path.basename(place)}", False)
        if bwrap.startswith(f"{place}/"):
            bwrap = f"{stage}/{os.path.basename(place)}{bwrap[len(place) :]}"

    def moved(mount: Mount) -> Mount:
        if mount.how not in _BINDS or not mount.source or (mount.how.endswith("-try") and not exists(mount.source)):
            return mount
        key = mount.source, mount.owned
        bind = binds.setdefault(key, Bind(mount.source, f"{stage}/{len(binds)}", mount.owned))
        return mount._replace(source=bind.target)

    base, mounts = tuple(map(moved, plan.base)), tuple(map(moved, plan.mounts))
    return Staged(bwrap, plan._replace(base=base, mounts=mounts), tuple(binds.values()))


def enter(bwrap: str, plan: Plan, uid: int) -> tuple[str, Plan]:
    """Make the stage and become `uid`; bubblewrap and the plan, as seen from there. SandboxError if that fails."""
    stage = next(place for place in _STAGES if os.path.isdir(place) and not os.path.islink(place))
    made = staged(bwrap, plan, stage, map(os.fspath, wheel_of(Path(bwrap))), os.path.lexists)
    try:
        idmap.show(stage, made.binds, uid)
        idmap.become(uid)
    except (idmap.BindError, OSError) as error:
        raise SandboxError(
            "Root's shell cannot be shown to another user",
            why=str(error),
            hint="run fpack as another user than root, or keep the project on another file system",
        ) from None
    return made.bwrap, made.plan
