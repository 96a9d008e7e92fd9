"""Find where a web application of Python keeps an SQLite database that it names by a relative path."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .project import Project

_FILE = r"([\w-]+\.(?:db|sqlite3?))"
# In the working directory: a URL of SQLAlchemy and the like with three slashes, or a name that is opened.
_HERE = re.compile(
    rf"""["']sqlite(?:\+\w+)?:///(?:\./)?{_FILE}["'?]|\bconnect\(\s*["'](?:\./)?{_FILE}["']|^[^\S\n]*\w+(?::\s*\w+)?\s*=\s*["'](?:\./)?{_FILE}["']""",
    re.MULTILINE,
)
# Beside the code: joined to a directory that is found from __file__.
_BESIDE = re.compile(
    rf"""(?:\bBASE_?DIR\w*|\bROOT\w*|\bbasedir|__file__\)*(?:\.resolve\(\))?(?:\.parent)*\)?)\s*[,/]\s*["']{_FILE}["']""",
    re.IGNORECASE,
)


def database_here(project: Project) -> str:
    """Return the name of an SQLite database that the application makes in its working directory, or ""."""
    for content in _modules(project):
        found = _HERE.search(content)
        if found and "sqlite" in content:
            return next(name for name in found.groups() if name)
    return ""


def database_beside(project: Project) -> str:
    """Return the name of an SQLite database at the top of the project's directory, such as Django's, or ""."""
    for content in _modules(project):
        found = _BESIDE.search(content)
        if found and "sqlite" in content:
            return found[1]
    return ""


def _modules(project: Project) -> Iterator[str]:
    for file, content in sorted(project.files.items()):
        if content and file.endswith(".py") and not re.search(r"(^|/)(tests?|docs?|examples?|conftest)\b", file):
            yield content
