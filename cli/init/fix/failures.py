"""Read a failed build: its failed phases, the line of its log to show, and why nothing helps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fpack.store.errors import FpackError

if TYPE_CHECKING:
    from fpack.builders.exec.hints import Remedy
    from fpack.builders.kinds.exec import PhaseFailed


def field_of(remedy: Remedy, package: str = "") -> str:
    """Return the field of a call that gets a package, by default the first one of a remedy."""
    return "libs" if (package or remedy.packages[0]).endswith("-dev") else remedy.need.field


def failures(error: FpackError) -> list[PhaseFailed]:
    """Return the failed phases of an error, in their order."""
    from fpack.builders.kinds.exec import PhaseFailed

    return [entry for _, entry in getattr(error, "failures", ()) if isinstance(entry, PhaseFailed)]


def first_line(failed: PhaseFailed) -> str:
    """Return the line of a log that says what is missing, or the last one."""
    from fpack.builders.exec.messages import find_missing

    found = find_missing(failed.log)
    lines = failed.log[-(1 << 18) :].splitlines()
    if found:
        named = [
            line
            for line in lines
            if found[0].name and found[0].name in line and re.search(r"(?i)no|fail|error|miss", line)
        ]
        lines = named[:1] or lines
    else:
        lines = [line for line in lines if re.search(r"(?i)\b(?:error|fail(?:ed|ure)?|cannot|undefined)\b", line)][
            :1
        ] or lines
    return lines[-1].strip()[:200] if lines else "it printed nothing"


def reason(failed: PhaseFailed, remedies: Sequence[Remedy], lacking: Sequence[Remedy]) -> str:
    """Return why nothing is known that would help a failed build. lacking: the remedies that have a package."""
    if failed.phase == "check" and not lacking:
        from fpack.builders.exec.failed_tests import failed_tests

        tests = ", ".join(failed_tests(failed.log)) or "its tests"
        return f"{tests} failed; --no-check leaves the tests out, if they cannot run in a sandbox"
    if lacking:
        first = lacking[0]
        return f"the build has {first.packages[0]} already, so {first.need} is looked for elsewhere"
    if remedies:
        return f"no package of the release has {remedies[0].missing.needs[0]}"
    return "the log names nothing that a package has"
