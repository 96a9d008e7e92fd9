"""Name the architecture of this machine as Debian does."""

from __future__ import annotations

import os

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "armhf", "ppc64le": "ppc64el", "s390x": "s390x"}


def machine_arch() -> str:
    """Return the Debian architecture of this machine."""
    machine = os.uname().machine
    return _MACHINES.get(machine, machine)
