"""Read Makefiles for BSD's make, which include files of the system such as bsd.prog.mk. All functions are pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from fpack.builders.debian.contents.needs import PACKAGE, BuildNeed

from ...project import Project
from ..wanted import BuildRequirement

_INCLUDES = re.compile(r"^\.[ \t]*-?include[ \t]+<(?:bsd\.)?[\w.]+\.mk>", re.MULTILINE)
# Conditions and loops of BSD's make; `.include "x"` alone may be a file that GNU make reads elsewhere.
_DIRECTIVE = re.compile(r"^\.[ \t]*(?:if(?:n?def|n?make)?|elif|else|endif|for|endfor)\b", re.MULTILINE)
_RESULT = re.compile(r"^(PROG|PROGS|SCRIPTS|LIB)[ \t]*(?:\?|\+)?=[ \t]*([^#\n]*)", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z0-9_][\w.+-]*")
# Functions and headers of BSD's C library that libbsd has and the C library of Debian's releases lacks, or lacked.
_LIBRARY = re.compile(
    r"\b(?:strlcpy|strlcat|strnstr|strtonum|strto[iu]|reallocf|recallocarray|freezero|fgetw?ln|fmtcheck|fparseln|funopen|"
    r"getbsize|[gs]etmode|getpeereid|[gs]etprogname|setproctitle|heapsort|mergesort|radixsort|(?:de)?humanize_number|"
    r"expand_number|issetugid|arc4random\w*|closefrom|v?(?:err|warn)c|pidfile\w*|readpassphrase|strmode|str(?:un)?vis\w*|"
    r"fflagstostr|strtofflags|user_from_uid|group_from_gid|sl_(?:init|add|free|find))\s*\(|"
    r"^[ \t]*#[ \t]*include[ \t]*<(?:vis|readpassphrase|libutil|stringlist|nlist|timeconv|md5|sha2|sys/tree)\.h>|"
    r"\b(?:TAILQ|S?LIST|STAILQ)_FOREACH_SAFE\b|\b__dead2\b",
    re.MULTILINE,
)


def is_bsd(makefile: str) -> bool:
    """Return whether a Makefile is for BSD's make: GNU make knows neither its includes nor its conditions."""
    return bool(_INCLUDES.search(makefile) or _DIRECTIVE.search(makefile))


def bsd_results(project: Project, makefile: str) -> tuple[list[str], list[str]]:
    """Return the programs and the libraries that the Makefile names, and those in the directories that it lists."""
    programs: list[str] = []
    libraries: list[str] = []
    for path in (makefile, *_subdirectories(project, makefile)):
        for variable, words in _RESULT.findall(_joined(project.text(path))):
            names = [word for word in words.split() if _NAME.fullmatch(word)]
            (libraries if variable == "LIB" else programs).extend(names)
    return list(dict.fromkeys(programs)), list(dict.fromkeys(libraries))


def library_needs(makefile: str, sources: Mapping[str, str]) -> Iterator[BuildRequirement]:
    """Yield the need for libbsd if sources use what only BSD's C library has. makefile: the text of the first one."""
    if not is_bsd(makefile):
        return
    for path, text in sources.items():
        found = _LIBRARY.search(text)
        if found:
            where = f"{path}:{text.count(chr(10), 0, found.start()) + 1}"
            yield BuildRequirement((BuildNeed(PACKAGE, "libbsd-dev"),), True, where)
            return


def _subdirectories(project: Project, makefile: str) -> Iterator[str]:
    listed = re.findall(r"^SUBDIR[ \t]*\+?=[ \t]*([^#\n]*)", _joined(project.text(makefile)), re.MULTILINE)
    for name in (word for words in listed for word in words.split()):
        path = f"{name}/Makefile"
        if project.text(path):
            yield path


def _joined(text: str) -> str:
    return re.sub(r"\\\n", " ", text)
