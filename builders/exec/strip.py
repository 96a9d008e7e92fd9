"""Write the script that strips the programs and libraries of outputs in the sandbox."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

_ARGUMENTS = 500  # files per call of strip
_OPTIONS = {
    "program": "--strip-unneeded --remove-section=.comment",
    "object": "--strip-debug",
    "archive": "--strip-debug --enable-deterministic-archives",
}
# strip exits with 1 for a file that only looks like an object file, which stays unchanged. It also does so for an
# object file that it can read but not replace, which is an error.
_CALL = """\
{strip} {files} || {{
  [ $? = 1 ] || exit
  for file in {files}; do
    {strip} "$file" 2>/dev/null || ! {strip} -o /dev/null "$file" 2>/dev/null || exit 1
  done
}}
"""


def strip_script(program: str, files: Mapping[str, Sequence[str]]) -> str:
    """Return a shell script. program: the path of strip below `/`. files: paths by kind, as of `strippable`."""
    return "".join(
        _CALL.format(strip=f"/{program} {_OPTIONS[kind]}", files=shlex.join(paths[at : at + _ARGUMENTS]))
        for kind, paths in sorted(files.items())
        for at in range(0, len(paths), _ARGUMENTS)
    )
