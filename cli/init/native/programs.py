"""Choose the main one of a project's programs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

_NOT_MAIN = re.compile(
    r"(?:^|[-_])(?:tests?|check|bench(?:mark)?s?|examples?|demos?|samples?|fuzz\w*)(?:$|[-_])|^test[a-z]", re.IGNORECASE
)


def main_program(programs: Sequence[str], name: str, readme: str = "") -> str:
    """Return the program that has the project's name, or one that begins with it, or the first one that is no test.

    readme: a text that decides between programs of other names by how often it names each.
    """
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    usual = [program for program in programs if not _NOT_MAIN.search(program)] or list(programs)
    same = [program for program in programs if re.sub(r"[^a-z0-9]", "", program.lower()) == plain]
    longer = [program for program in usual if len(plain) > 2 and program.lower().startswith(plain)]
    words = Counter(re.findall(r"[\w.+-]*\w", readme))
    return (same or longer or sorted(usual, key=lambda program: -words[program]))[0]
