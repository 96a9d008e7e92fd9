"""The script that runs a build's phases, one after the other in one shell, as files that its sandbox sees."""

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
# All others descend from process 1, which is this shell: also those that were left by their parents, and also where
# the last phase ended by `exit` or `exec`. A while is enough for those that are about to end.
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
    """Names and texts of the files in CONTROL. phases: name and script of each. BuildError for what is no phase."""
    files: list[tuple[str, str]] = []
    # Above the limit, so that who goes over it is seen there, and told so.
    lines = [_HEAD.format(tasks=processes + 16)]
    for number, phase in enumerate(phases):
        name, script = phase_name(phase.get("name")), phase.get("script")
        if not isinstance(script, str):
            raise BuildError("A phase of a build is no record of a name and a script")
        file = f"{number + 1}-{name}"
        files.append((file, script if script.endswith("\n") else script + "\n"))
        lines.append(f"printf '%s\\n' {name} >&{PHASE_FD}\n")
        if len(phases) > 1:
            lines.append(f"printf -- '-- %s\\n' {name}\n")
        lines.append(f". {CONTROL}/{file} {PHASE_FD}>&-\n")
    return (*files, (DRIVER, "".join((*lines, _TAIL))))


def phase_name(name: object) -> str:
    """`name` if a phase can be called so: it is the name of a file. BuildError if it cannot."""
    if not isinstance(name, str):
        raise BuildError("A phase of a build is no record of a name and a script")
    if not name.replace("-", "").replace("_", "").isalnum() or len(name) > 60:
        raise BuildError(f"{name!r} cannot be a phase's name", hint="use letters, digits and dashes")
    return name


def variables(env: Mapping[str, Any], cores: int, outputs: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The environment of a build, sorted: what is always there, then its own. outputs: the path of each."""
    found = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": "/build/home",
        "TMPDIR": "/tmp",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "SOURCE_DATE_EPOCH": "315619200",  # 1980-01-02: zip knows nothing before
        "CORES": str(cores),
        "USER": "build",
        "LOGNAME": "build",
        "SHELL": "/bin/sh",
        "TERM": "dumb",
    }
    for name, value in env.items():
        if not isinstance(value, str) or "\0" in value or not name or "=" in name or "\0" in name:
            raise BuildError(f"{name!r} of a build's environment is no variable", why="its value is not a string")
        found[name] = f"{value}:{found['PATH']}" if name == "PATH" else value
    found.update(outputs)
    return tuple(sorted(found.items()))
