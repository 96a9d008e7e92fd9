"""Write devcontainer.json for editors. fpack packs the image of the shell again before a container starts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fpack.cli.errors import UsageError
from fpack.store import processes
from fpack.store.files import replace
from fpack.store.files.regular_file import read_bytes

PLACE = Path(".devcontainer", "devcontainer.json")
_MAX_FILE = 1 << 20  # bytes


def description(name: str, what: str, engine: str) -> dict[str, Any]:
    """Return the content of the file. what: the shell's name on the command line."""
    prefix = "localhost/" if engine == "podman" else ""
    return {
        "name": name,
        "image": f"{prefix}{name}:shell",
        "initializeCommand": ["fpack", "pack", what, "--load", engine],
        "workspaceMount": "source=${localWorkspaceFolder},target=/work,type=bind",
        "workspaceFolder": "/work",
        "overrideCommand": True,
        "customizations": {"fpack": {"shell": what}},
    }


def write(directory: Path, name: str, what: str) -> Path:
    """Write the file below `directory`. A file that somebody else wrote is an error."""
    engine = "podman" if processes.find("podman") and not processes.find("docker") else "docker"
    path = directory / PLACE
    if path.exists():
        try:
            before = json.loads(read_bytes(path, _MAX_FILE))
        except (OSError, ValueError, RecursionError):
            before = None
        if not isinstance(before, Mapping) or "fpack" not in before.get("customizations", {}):
            raise UsageError("devcontainer.json was not written by fpack", where=str(path), hint="move it away")
    text = json.dumps(description(name, what, engine), indent=2) + "\n"
    try:
        if not path.parent.is_symlink():
            path.parent.mkdir(exist_ok=True)
        replace.write(path, text.encode(), within=directory)
    except replace.OutsideError as error:
        raise UsageError(error.what, why=error.why, hint="delete the link") from None
    except OSError as error:
        raise UsageError("The file cannot be written", where=str(path), why=error.strerror or "") from None
    return path
