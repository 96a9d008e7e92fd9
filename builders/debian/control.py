"""Parse deb822 control data: stanzas of `Field: value` lines with indented continuation lines.

python-debian was not used: it accepts malformed lines silently, and depends on python-apt for speed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fpack.store.errors import FpackError

_FIELD = re.compile(r"([!-,./-9;-~][!-9;-~]*):[ \t]*(.*)\Z")  # any printable ASCII but a colon; no leading `-` or `#`
MAX_STANZA, MAX_LINES = 16 << 20, 1 << 19  # of a stanza; the largest are those of releases


class ControlError(FpackError):
    """Malformed control data. `where` names the file, `why` the line."""

    exit_code = 4


def parse_stanza(text: str, where: str = "") -> dict[str, str]:
    """Parse the fields of one stanza, by lower-case name. Continuation lines are joined by `\\n` without their indent.

    Comment lines are skipped. Raise ControlError for a duplicate field or a malformed line, and for too many of them.
    """
    if len(text) > MAX_STANZA or text.count("\n") > MAX_LINES:
        why = f"the limits are {MAX_STANZA} characters and {MAX_LINES} lines"
        raise ControlError("Control data is too large", where=where, why=why)
    fields: dict[str, list[str]] = {}
    name = ""
    for number, line in enumerate(text.split("\n"), 1):
        if line[:1] in (" ", "\t"):
            if not name:
                raise _error(where, number, "a continuation line without a preceding field")
            fields[name].append(line[1:].rstrip())
        elif line.startswith("#") or not line:
            continue
        else:
            match = _FIELD.match(line)
            if match is None:
                raise _error(where, number, f"not a field: {line[:60]!r}")
            name = match[1].lower()
            if name in fields:
                raise _error(where, number, f"duplicate field {match[1]}")
            fields[name] = [match[2].rstrip()]
    return {name: "\n".join(lines) for name, lines in fields.items()}


def stanzas(text: str, where: str = "") -> Iterator[dict[str, str]]:
    """Yield every non-empty stanza of `text`, in order."""
    for block in re.split(r"\n(?:[ \t]*\n)+", text.replace("\r\n", "\n")):
        fields = parse_stanza(block.strip("\n"), where)
        if fields:
            yield fields


def _error(where: str, line: int, why: str) -> ControlError:
    return ControlError("Control data is malformed", where=where, why=f"line {line}: {why}")
