"""Collect from the files of a package its metadata, the texts of its licences and its copyright notices."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..model import NO_NOTICE

MAX_READ = 4 << 20  # bytes of a file that are read
MAX_FILES = 64  # that are kept
MAX_NOTICES = 200
_LICENCE = re.compile(r"(?:un)?licen[cs]e|copying", re.IGNORECASE)
_CODE = re.compile(r"\.(?:js|mjs|cjs|ts|py|go|rs|rb|java|json|h|c)\Z", re.IGNORECASE)
_MENTION = re.compile(rb"copyright|\(c\)|\xc2\xa9|\xa9", re.IGNORECASE)
# A notice names a year or a holder. Licences speak of "copyright notice" and "copyright owner", and have blanks.
_NOTICE = re.compile(
    r"^[ \t*#/;!<>=-]*((?:portions[ \t]+)?(?:copyright[ \t]*(?:\(c\)|©|&copy;)|copyright:?[ \t]+(?=\d{4}\b)"
    r"|copyright[ \t]+by[ \t]|(?:[\w.+-]{1,20}[ \t]+)?(?:©|\(c\)(?=[ \t]*(?:copyright[ \t]*)?\d{4}\b))"
    r"|\d{4}(?:[ \t]*[-,][ \t]*\d{4})*[ \t]+\(c\)[ \t]|(?-i:Copyright)[ \t]+(?=(?-i:[A-Z])))[^\r\n]{2,300})",
    re.IGNORECASE | re.MULTILINE,
)
_BLANK = re.compile(
    r"[<\[{](?:yyyy|year|name|owner|fullname|authors?)\b|free software foundation"
    r"|copyright[ \t]+(?:notices?|licen[cs]es?|holders?|owners?|laws?|act|and|or|interest|statement)\b",
    re.IGNORECASE,
)


def is_notice(line: str) -> bool:
    """Return whether a line is a copyright notice that names somebody."""
    match = _NOTICE.match(line)
    return match is not None and not _BLANK.search(match[1])


class PackageSurvey:
    """The files of one package. wanted: the names of metadata, relative to the package's top directory."""

    def __init__(self, wanted: Iterable[str] = ()) -> None:
        self._wanted = frozenset(wanted)
        self.found: dict[str, bytes] = {}
        self.licences: dict[str, str] = {}
        self._of_licences: dict[str, None] = {}
        self._elsewhere: dict[str, None] = {}
        self._is_silent = True  # no file mentions a copyright

    def add(self, path: str, data: bytes, is_licence: bool | None = None) -> None:
        """Add a file. data: its first MAX_READ + 1 bytes. is_licence: by default, its name tells."""
        name = path.rpartition("/")[2]
        if path in self._wanted:
            self.found[path] = data
        if is_licence is None:
            is_licence = "/" not in path and _LICENCE.match(name) is not None and not _CODE.search(name)
        if is_licence and len(self.licences) < MAX_FILES:
            self.licences[path] = data[:MAX_READ].decode("utf-8", "replace")
        if len(data) <= MAX_READ and not _MENTION.search(data):
            return
        self._is_silent = False
        if b"\0" not in data[:8192]:
            notices = self._of_licences if is_licence else self._elsewhere
            for match in _NOTICE.finditer(data[:MAX_READ].decode("utf-8", "replace")):
                if len(notices) < MAX_NOTICES and not _BLANK.search(match[1]):
                    notices[" ".join(match[1].split()).rstrip("*/# ")] = None

    def keep(self, path: str, data: bytes) -> None:
        """Keep a file as metadata, if it is wanted. It is no text, so no notice is searched for in it."""
        if path in self._wanted:
            self.found[path] = data

    def leave_rest(self) -> None:
        """Note that other files are not read."""
        self._is_silent = False

    def copyright(self) -> str:
        """Return the notices of the licences, else those of all files; "NONE" if no file mentions a copyright."""
        return "\n".join(self._of_licences or self._elsewhere) or (NO_NOTICE if self._is_silent else "")
