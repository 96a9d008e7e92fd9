"""Make a shell's files accessible to a user that is not root, when root enters the shell.

Only root may be able to reach the store, the shell's files and the project. So they are bound below a stage, a
directory that everybody can reach, in a mount namespace of this process.
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


class StagedPlan(NamedTuple):
    """A plan whose sources are below the stage, with the binds that put them there."""

    bwrap: str
    plan: Plan
    binds: tuple[Bind, ...]


def staged(bwrap: str, plan: Plan, stage: str, wheel: Iterable[str], exists: Callable[[str], bool]) -> StagedPlan:
    """Return a plan whose sources are below `stage`.

    wheel: directories that bubblewrap needs if it comes from a Python package.
    """
    binds: dict[tuple[str, bool], Bind] = {}
    for path in wheel:
        binds[path, False] = Bind(path, f"{stage}/{os.path.basename(path)}", False)
        if bwrap.startswith(f"{path}/"):
            bwrap = f"{stage}/{os.path.basename(path)}{bwrap[len(path) :]}"

    def moved(mount: Mount) -> Mount:
        if mount.how not in _BINDS or not mount.source or (mount.how.endswith("-try") and not exists(mount.source)):
            return mount
        key = mount.source, mount.owned
        bind = binds.setdefault(key, Bind(mount.source, f"{stage}/{len(binds)}", mount.owned))
        return mount._replace(source=bind.target)

    base, mounts = tuple(map(moved, plan.base)), tuple(map(moved, plan.mounts))
    return StagedPlan(bwrap, plan._replace(base=base, mounts=mounts), tuple(binds.values()))


def enter(bwrap: str, plan: Plan, uid: int) -> tuple[str, Plan]:
    """Create the stage and become `uid`. Return bubblewrap and the plan as seen from there. Raise SandboxError on
    failure.
    """
    stage = next(path for path in _STAGES if os.path.isdir(path) and not os.path.islink(path))
    made = staged(bwrap, plan, stage, map(os.fspath, wheel_of(Path(bwrap))), os.path.lexists)
    try:
        idmap.show(stage, made.binds, uid)
        idmap.become(uid)
    except (idmap.BindError, OSError) as error:
        raise SandboxError(
            "Root's files cannot be made accessible to another user",
            why=str(error),
            hint="run fpack as another user than root, or keep the project on another file system",
        ) from None
    return made.bwrap, made.plan
