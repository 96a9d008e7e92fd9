"""Find out whether a program of Node keeps its data, or looks for its own files, in its working directory.

All functions are pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from ..guess import Guess

_WRITES = re.compile(
    r"\b(?:writeFile|writeFileSync|createWriteStream|appendFile|appendFileSync|mkdir|mkdirSync|mkdirp|ensureDir|"
    r"ensureDirSync|outputFile|outputJson|writeJson)\s*\(|\bnew\s+(?:\w+\.)*(?:Loki|lokijs_\d+|Database|DatabaseSync|Datastore|Level|JSONFile)\w*\b|"
    r"require\(\s*[\"'](?:lokijs|better-sqlite3|sqlite3|nedb|level|lowdb|keyv-file|node-persist)[\"']"
)
# Files named by a path without a directory of their own, in the calls that write.
_RELATIVE = re.compile(
    r"\b(?:writeFileSync|writeFile|createWriteStream|appendFileSync|appendFile|mkdirSync|mkdir|ensureDirSync|ensureDir)"
    r"\(\s*[\"'`](?:\./)?[A-Za-z_]|\bnew\s+(?:\w+\.)*(?:Database|DatabaseSync|Datastore|Loki|JSONFile\w*)\("
    r"\s*(?:\{\s*filename:\s*)?[\"'`](?:\./)?[A-Za-z_]"
)
_DIRECTORY = re.compile(r"\bprocess\.cwd\(\)")
# What is read from the working directory: the project's own files, such as pages.
_READS = re.compile(
    r"(?:static|readFile\w{0,40}+|sendFile|require|views[\"'],)\s{0,40}+\(?[^;\n]{0,80}process\.cwd\(\)"
)
# Files and directories that are read by a path without a directory of their own.
_READS_FILE = re.compile(
    r"\b(?:readFileSync|readFile|createReadStream|readdirSync|readdir|express\.static|serveStatic|sendFile)"
    r"\(\s*[\"'`](?:\./)?([\w@-][\w@./-]{0,100})[\"'`]"
)
# The same with the path in a variable.
_NAMES_FILE = re.compile(r"(?<![=!<>])=\s*[\"'`]\./([\w@][\w@./-]{0,100})[\"'`]")
_OPENS = re.compile(r"\b(?:readFileSync|readFile|createReadStream|readdirSync|readdir)\(")
APP = "@/app"  # the directory of a package's own files


def writes_here(texts: Mapping[str, str]) -> str:
    """Return the place at which code writes below its working directory, or "" if it does not."""
    writes = any(_WRITES.search(text) for text in texts.values())
    for path, text in texts.items():
        found = _RELATIVE.search(text) or (_DIRECTORY.search(text) if writes and not _READS.search(text) else None)
        if found:
            return f"{path}:{text.count(chr(10), 0, found.start()) + 1}"
    return ""


def reads_here(texts: Mapping[str, str], files: Collection[str]) -> str:
    """Return the place at which code reads a file of its project below its working directory, or "" for none.

    files: the paths of the project's files.
    """
    known = {*files, *(path[:at] for path in files for at, sign in enumerate(path) if sign == "/")}
    for path, text in texts.items():
        named = _NAMES_FILE.finditer(text) if _OPENS.search(text) else ()
        for found in (*_READS_FILE.finditer(text), *named):
            if found[1].rstrip("/") in known and not _is_comment(text, found.start()):
                return f"{path}:{text.count(chr(10), 0, found.start()) + 1}"
    return ""


def with_own_files(guess: Guess, place: str) -> Guess:
    """Return a guess whose image has the package's own files in its working directory."""
    reason = f"{place}: it reads a file of the project in its working directory, which is that of the program"
    return guess._replace(workdir=APP, reasons=[*guess.reasons, reason])


def _is_comment(text: str, at: int) -> bool:
    return text[text.rfind("\n", 0, at) + 1 : at].lstrip().startswith(("//", "*", "/*"))


def with_directory(guess: Guess, place: str) -> Guess:
    """Return a guess whose image has a working directory in which the program may write."""
    where = f"/var/lib/{guess.name}"
    reason = f"{place}: it writes to its working directory, which is {where}; mount a volume there"
    return guess._replace(directories=[where], workdir=where, reasons=[*guess.reasons, reason])
