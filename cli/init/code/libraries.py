"""Find the shared libraries that code of Python loads by their names, with ctypes or cffi. All functions are pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from ..guess import LoadedLibrary

_LOADS = re.compile(r"\b(?:ctypes|cffi|FFI|dlopen)\b")
_FIND = re.compile(r"\bfind_library\(\s*[\"']([A-Za-z][\w.+-]{0,60})[\"']")
_SONAME = re.compile(r"[\"'](lib[\w+-]{1,60}(?:\.[\w+-]+)*?\.so(?:\.\d+){0,3})[\"']")
# A name by the system, such as `{"Linux": "libwave.so"}`, is a soname like others. These come with the C library.
_EVERY = frozenset({"c", "m", "dl", "rt", "pthread", "util", "stdc++", "gcc_s", "resolv", "crypt"})


def loaded_libraries(texts: Mapping[str, str], files: Collection[str] = ()) -> list[LoadedLibrary]:
    """Return the libraries that modules load. texts: of the modules, by path. files: all paths of the project, whose
    own libraries are left out.
    """
    own = {path.rpartition("/")[2] for path in files if ".so" in path}
    found: dict[str, LoadedLibrary] = {}
    for path, text in texts.items():
        if not _LOADS.search(text):
            continue
        for match in (*_FIND.finditer(text), *_SONAME.finditer(text)):
            name = match[1]
            plain = re.sub(r"^lib|\.so.*$", "", name) if ".so" in name else name.removeprefix("lib")
            if plain in _EVERY or name in own or _is_comment(text, match.start()):
                continue
            where = f"{path}:{text.count(chr(10), 0, match.start()) + 1}"
            found.setdefault(name, LoadedLibrary(name, where))
    # A name without a version is that of a link that development packages have. Mostly another line has the rest.
    known = {re.sub(r"^lib|\.so.*$", "", name) for name in found if not name.endswith(".so")}
    return [
        library for name, library in found.items() if not (name.endswith(".so") and name[3:-3] in known)
    ]  # fmt: skip


def _is_comment(text: str, at: int) -> bool:
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line.lstrip().startswith(("#", ">>>"))
