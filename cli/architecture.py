"""Name the architecture of this machine as Debian does."""

from __future__ import annotations

import os

from fpack.builders.machines import MACHINES


def machine_arch() -> str:
    """Return the Debian architecture of this machine."""
    machine = os.uname().machine
    return next((arch for arch, names in MACHINES.items() if names.kernel == machine), machine)
