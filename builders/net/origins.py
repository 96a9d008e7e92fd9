"""Restrict the URLs of derivations: to mirrors, servers and files of the project.

Derivations come from a project, which may not be trusted. The success of fetching a `file:` URL reveals whether the
user has that file, so a `file:` URL must point into the project's directory. Other local files are allowed only if the
user has configured them: mirrors, and the files listed by pip's directories and indexes on this machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from urllib.parse import unquote

from .errors import BadUrl, shown, split_url


class Origins:
    """A callable that maps a derivation's URL to the URLs to try, and raises BadUrl for a file outside the project.

    expand: maps a `mirror:` URL to URLs and returns other URLs unchanged. project: the project's directory.
    """

    def __init__(self, expand: Callable[[str], Sequence[str]], project: Path | None = None) -> None:
        self._expand = expand
        self._project = project
        self._admitted: set[str] = set()

    def admit(self, urls: Iterable[str]) -> None:
        """Allow these file URLs, which come from the user's own settings."""
        self._admitted.update(urls)

    def __call__(self, url: str) -> Sequence[str]:
        parts = split_url(url)
        if parts.scheme != "file":
            return self._expand(url)
        if url in self._admitted:
            return [url]
        if parts.netloc not in ("", "localhost"):
            raise BadUrl("The file URL names another machine", where=shown(url))
        if "\0" in unquote(parts.path):
            raise BadUrl("The file URL does not name a file on this machine", where=shown(url))
        # npm lock files contain relative paths.
        path = os.path.normpath(os.path.join(self._project or "/", unquote(parts.path)))
        if self._project is not None:
            # Return the resolved path, so that a symlink changed after this check has no effect.
            real = os.path.realpath(path)
            if _is_below(real, os.path.realpath(self._project)):
                return [Path(real).as_uri()]
        where = f"the project's directory is {self._project}" if self._project else "there is no project here"
        raise BadUrl(
            "A file URL points outside the project",
            where=url,
            why=f"{where}; a project may use only files of its own directory",
            hint="copy the file into the project and refer to it by path, as in ./file",
        )


def is_local(url: str) -> bool:
    """Return whether a URL is a file URL."""
    try:
        return split_url(url).scheme == "file"
    except BadUrl:
        return False


def _is_below(path: str, directory: str) -> bool:
    return path == directory or path.startswith(f"{directory.rstrip('/')}/")


def is_this_machine(host: str) -> bool:
    """Return whether a host of a URL is this machine or its link, where services answer that the world does not reach.

    Names are not resolved, but "localhost".
    """
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    import socket
    from ipaddress import IPv6Address, ip_address

    try:
        # `inet_aton` reads what connections accept, such as 127.1 and 0x7f000001.
        address = ip_address(name) if ":" in name else ip_address(socket.inet_aton(name))
    except (OSError, ValueError):
        return False
    address = address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
    return address.is_loopback or address.is_link_local or address.is_unspecified
