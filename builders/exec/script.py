"""Write the script that runs a build's phases in one shell, as files for the sandbox, and the build's environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fpack.builders.protocol import BuildError
from fpack.builders.sandbox.spec import CONTROL, LEFT, PHASE_FD

DRIVER = "build"
_HEAD = """\
# Runs the phases that lie beside this file. Each is sourced: what one sets, and where it goes, holds for the next.
(
set -eu -o pipefail
umask 022
ulimit -Su {tasks} 2>/dev/null || :
ulimit -Hu {tasks} 2>/dev/null || :
"""
# Fail if a phase left processes running. This shell is process 1, so orphans become its children, even if the last
# phase ended by `exit` or `exec`. The loop gives processes that are about to end two seconds.
_TAIL = f"""\
)
status=$?
children=/proc/1/task/1/children
left=
{{ read -r left < $children || :; }} 2>/dev/null
[ "$status" = 0 ] && [ "$left" ] || exit $status
(:)
n=0
while [ $n -lt 40 ]; do
  left=
  read -r left < $children || :
  [ "$left" ] || exit 0
  sleep 0.05 || {{ sleep 1 && n=$((n + 20)); }} || (:)
  n=$((n + 1))
done 2>/dev/null
names=
for place in /proc/[0-9]*; do
  [ $place != /proc/1 ] && read -r name < $place/comm || continue
  case "$names, " in *" $name, "*) ;; *) names="$names${{names:+,}} $name" ;; esac
done 2>/dev/null
printf '{LEFT}%s\\n' "$names" >&{PHASE_FD}
exit 1
"""


def control_files(phases: Sequence[Mapping[str, Any]], processes: int) -> tuple[tuple[str, str], ...]:
    """Return the names and texts of the files in CONTROL.

    phases: records of a name and a script. Raise BuildError for any other value.
    """
    files: list[tuple[str, str]] = []
    # The shell's own limit is above the sandbox's, so that the sandbox notices and reports the excess.
    lines = [_HEAD.format(tasks=processes + 16)]
    for number, phase in enumerate(phases):
        name, script = phase_name(phase.get("name")), phase.get("script")
        if not isinstance(script, str):
            raise BuildError("A phase of a build is not a record of a name and a script")
        file = f"{number + 1}-{name}"
        files.append((file, script if script.endswith("\n") else script + "\n"))
        lines.append(f"printf '%s\\n' {name} >&{PHASE_FD}\n")
        if len(phases) > 1:
            lines.append(f"printf -- '-- %s\\n' {name}\n")
        lines.append(f". {CONTROL}/{file} {PHASE_FD}>&-\n")
    return (*files, (DRIVER, "".join((*lines, _TAIL))))


def phase_name(name: object) -> str:
    """Return `name` if it is valid as a phase's name, which is also a file name. Raise BuildError if it is not."""
    if not isinstance(name, str):
        raise BuildError("A phase of a build is not a record of a name and a script")
    if not name.replace("-", "").replace("_", "").isalnum() or len(name) > 60:
        raise BuildError(f"{name!r} cannot be the name of a phase", hint="use letters, digits and dashes")
    return name


def variables(env: Mapping[str, Any], cores: int, outputs: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the environment of a build, sorted. outputs: the path of each. Raise BuildError for a bad variable."""
    found = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": "/build/home",
        "TMPDIR": "/tmp",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "SOURCE_DATE_EPOCH": "315619200",  # 1980-01-02: zip cannot store earlier times
        "CORES": str(cores),
        "USER": "build",
        "LOGNAME": "build",
        "SHELL": "/bin/sh",
        "TERM": "dumb",
    }
    for name, value in env.items():
        if not isinstance(value, str) or "\0" in value or not name or "=" in name or "\0" in name:
            why = "a name is not empty and has neither = nor NUL; a value is a string without NUL"
            raise BuildError(f"{name!r} in a build's environment is not a valid variable", why=why)
        found[name] = f"{value}:{found['PATH']}" if name == "PATH" else value
    found.update(outputs)
    return tuple(sorted(found.items()))
