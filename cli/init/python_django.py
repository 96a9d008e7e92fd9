"""Find what a Django project needs beside its server: the command `manage`, tables, and static files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from .project import Project

# Directories of collected files that are below the project's own.
_STATIC_ROOT = re.compile(
    r"""^STATIC_ROOT\s*=\s*(?:os\.path\.join\(\s*)?(?:str\(\s*)?(?:BASE_?DIR|ROOT_?DIR)\w*\s*[/,]""", re.MULTILINE
)
_COMMAND = "; ".join(
    (
        'sed -i "1s|^#!.*|#!$out/bin/python3|" "$out/app/manage.py"',
        'chmod 755 "$out/app/manage.py"',
        'ln -s ../app/manage.py "$out/bin/manage"',
    )
)
_COLLECT = '"$out/bin/manage" collectstatic --noinput'


class Management(NamedTuple):
    """The use of manage.py. first: the command at each start. also_installs: commands of the build."""

    first: Sequence[str]
    also_installs: str
    reasons: Sequence[str]


def management(project: Project, used: set[str], has_own_database: bool) -> Management | None:
    """Return the use of manage.py, or None if it cannot be run as a program.

    has_own_database: its database is a file of the image, of which each start can make the tables.
    """
    if not project.text("manage.py").startswith("#!"):
        return None
    installs, reasons = [_COMMAND], []
    if has_own_database:
        first = ["@/bin/manage", "migrate", "--noinput"]
        reasons.append("each start makes the database's tables that are missing, by manage migrate")
    else:
        first = []
        reasons.append(
            "the database's tables are made by: podman run --rm --entrypoint manage IMAGE migrate, with the variables "
            "that the settings read"
        )
    if "whitenoise" not in used:
        reasons.append("its server serves no static files: add whitenoise to the dependencies, or use a web server")
    elif any(_STATIC_ROOT.search(text) for text in project.files.values() if text):
        installs.append(_COLLECT)
        reasons.append("the build collects the static files, by manage collectstatic")
    return Management(first, "; ".join(installs), reasons)
