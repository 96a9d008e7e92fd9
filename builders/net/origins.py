"""Where a URL of a derivation leads: to a mirror, to a server, or to a file of the project, and to no other file.

What a derivation names comes from a project, and a project may be a stranger's. A fetch of a `file:` URL tells by its
success whether the user has a certain file. So such a URL must lead into the project's directory. Files elsewhere are
those that the user has configured: mirrors, and what pip's directories and indexes on this machine list.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from urllib.parse import unquote

from .errors import BadUrl, split_url


class Origins:
    """Call it with a URL of a derivation: the URLs that it stands for. BadUrl if it leads to a file elsewhere.

    expand: the URLs that a `mirror:` URL stands for; it gives back others. project: the project's directory.
    """

    def __init__(self, expand: Callable[[str], Sequence[str]], project: Path | None = None) -> None:
        self._expand = expand
        self._project = project
        self._admitted: set[str] = set()

    def admit(self, urls: Iterable[str]) -> None:
        """Let these URLs of files pass: they come from the user's own settings."""
        self._admitted.update(urls)

    def __call__(self, url: str) -> Sequence[str]:
        parts = split_url(url)
        if parts.scheme != "file":
            return self._expand(url)
        if url in self._admitted:
            return [url]
        if parts.netloc not in ("", "localhost") or "\0" in unquote(parts.path):
            raise BadUrl("A file URL names no file of this machine", where=url)
        # npm's locks have relative ones.
        path = os.path.normpath(os.path.join(self._project or "/", unquote(parts.path)))
        if self._project is not None:
            # What is opened is what was looked at, and not what a link leads to by then.
            real = os.path.realpath(path)
            if _is_below(real, os.path.realpath(self._project)):
                return [Path(real).as_uri()]
        where = f"the project's directory is {self._project}" if self._project else "there is no project here"
        raise BadUrl(
            "A file URL leads out of the project",
            where=url,
            why=f"{where}, and what its files name must lie in it",
            hint="copy the file into the project, and name it by its path, as in ./file",
        )


def is_local(url: str) -> bool:
    """Whether a URL names a file of a machine."""
    try:
        return split_url(url).scheme == "file"
    except BadUrl:
        return False


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")
