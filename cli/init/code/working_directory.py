"""Find out whether a server of Node keeps its data in its working directory. All functions are pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

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
_READS = re.compile(r"(?:static|readFile\w*|sendFile|require|views[\"'],)\s*\(?[^;\n]{0,80}process\.cwd\(\)")


def writes_here(texts: Mapping[str, str]) -> str:
    """Return the place at which code writes below its working directory, or "" if it does not."""
    writes = any(_WRITES.search(text) for text in texts.values())
    for path, text in texts.items():
        found = _RELATIVE.search(text) or (_DIRECTORY.search(text) if writes and not _READS.search(text) else None)
        if found:
            return f"{path}:{text.count(chr(10), 0, found.start()) + 1}"
    return ""


def with_directory(guess: Guess, place: str) -> Guess:
    """Return a guess whose image has a working directory in which the program may write."""
    where = f"/var/lib/{guess.name}"
    reason = f"{place}: it writes to its working directory, which is {where}; mount a volume there"
    return guess._replace(directories=[where], workdir=where, reasons=[*guess.reasons, reason])
