"""Stand before GCC's compilers in a build, and let each file that they compile be compiled apart.

A wrapper covers `cc1` and `cc1plus`, which `gcc` and `g++` start: `PATH`, the compiler's name and what it says of
itself stay as they are. The wrapper preprocesses a file in the build, where its headers are, and asks fpack
(`compile_service.py`) for the assembler code of that. If fpack has none, since GCC does not accept the preprocessed
text without an error, or since an option lets the compiler read or write other files, the compiler itself runs. So the
result depends on the file, its headers and the options only, and not on what was compiled before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from fpack.builders.sandbox.spec import CONTROL

WRAPPER, REQUESTS, ANSWERS = "compiler", "requests", "answers"  # in the directory of the build's scripts
DIRECTORIES = "/tmp"  # where a request's directory stands
PREFIX = ".fpack-"
CROSS = "cross-"  # begins the names of the compilers for another architecture
_FOLDERS = {"": ("usr/libexec/gcc", "usr/lib/gcc"), CROSS: ("usr/libexec/gcc-cross", "usr/lib/gcc-cross")}
_NAMES = ("cc1", "cc1plus")
# Options that only the preprocessor needs. The first group has its value in the next word.
_PREPROCESSOR = ("-I", "-D", "-U", "-iquote", "-isystem", "-idirafter", "-imultiarch", "-imultilib", "-iprefix",
                 "-isysroot", "-include", "-imacros", "-MD", "-MMD", "-MF", "-MT", "-MQ")  # fmt: skip
_PREPROCESSOR_ALONE = ("-I?*", "-D?*", "-U?*", "-MP", "-MG", "-nostdinc", "-nostdinc++", "-undef")
# Options that determine the code. Others may read or write files, so such a file is not compiled apart.
_CODE = ("-O*", "-g", "-g[0-2]", "-ggdb", "-ggdb[0-2]", "-gdwarf*", "-gno-*", "-gstrict-dwarf", "-W*", "-w", "-std=*",
         "-m*", "-f*", "-quiet", "-pedantic*", "-ansi", "-dumpbase-ext", "-version")  # fmt: skip
_NOT = ("-fplugin*", "-fprofile*", "-fbranch-prob*", "-fdump*", "-fauto-profile*", "-fsanitize*list*", "-fmodule*",
        "-fstack-usage*", "-fcallgraph*", "-fopt-info*", "-ftest-coverage*", "-fcondition-coverage*",
        "-fpath-coverage*", "-fsave-*", "-flto*", "-fpch*", "-fpreprocessed", "-fdirectives-only", "-finput-charset*",
        "-fsyntax-only",
        "-fcompare-debug*", "-fdiagnostics-format=*", "-fdeps-*", "-fmem-report*", "-ftime-report*", "-Wa,*", "-Wp,*",
        "-fgo*", "-fanalyzer*", "-fself-test*")  # fmt: skip

_SCRIPT = """\
#!/bin/bash
# Called as GCC's compiler.
program=${{0##*/}}
case $0 in */gcc-cross/*) program={cross}$program ;; esac
real={control}/$program
direct() {{ exec -a "$0" "$real" "$@"; }}
input= output= code=() pre=()
all=("$@")
while [ $# -gt 0 ]; do
  case $1 in
    -o) output=$2; shift ;;
    {valued}) pre+=("$1" "$2"); shift ;;
    {alone}) pre+=("$1") ;;
    -dumpbase | -dumpbase-ext | -dumpdir | -auxbase | -auxbase-strip) code+=("$1" "$2"); shift ;;
    {denied}) direct "${{all[@]}}" ;;
    {allowed}) code+=("$1") ;;
    -*) direct "${{all[@]}}" ;;
    *.c | *.cc | *.cpp | *.cxx | *.c++ | *.C | *.CC | *.cp | *.CPP)
      [ -z "$input" ] || direct "${{all[@]}}"
      input=$1
      ;;
    *) direct "${{all[@]}}" ;;
  esac
  shift
done
case $output in *.s) ;; *) direct "${{all[@]}}" ;; esac
[ -f "$input" ] && [ -p {control}/{requests} ] || direct "${{all[@]}}"
name={prefix}$$-$RANDOM
work={directories}/$name
mkdir "$work" 2>/dev/null || direct "${{all[@]}}"
clean() {{ rm -rf "$work"; }}
if "$real" -E "${{pre[@]}}" "${{code[@]}}" "$input" -o "$work/text" 2>"$work/errors" && [ ! -s "$work/errors" ]; then
  printf '%s\\0' "$program" "${{code[@]}}" >"$work/options"
  mkfifo "$work/answer"
  exec 9<>"$work/answer"
  printf '%s\\n' "$name" >{control}/{requests}
  read -r number <&9
  exec 9<&-
  if [ "$number" != none ] && cat {control}/{answers}/"$number" >"$output"; then
    cat {control}/{answers}/"$number".errors >&2
    clean
    exit 0
  fi
fi
clean
direct "${{all[@]}}"
"""


def compilers(root: Path) -> dict[str, str]:
    """Return the paths of GCC's compilers in a root, absolute, by the names that requests have, sorted by path.

    Of the machine's compilers, and of those for another architecture, there is one of each name, or none is returned.
    """
    found = [pair for prefix, folders in _FOLDERS.items() for pair in _one_of_each(root, prefix, folders).items()]
    return dict(sorted(found, key=lambda pair: pair[1]))


def _one_of_each(root: Path, prefix: str, folders: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for folder in folders:
        for path in sorted((root / folder).glob("*/*/cc1*")):
            if path.name in _NAMES and path.is_file() and not path.is_symlink():
                if prefix + path.name in found:
                    return {}  # several compilers: the name does not tell which
                found[prefix + path.name] = f"/{path.relative_to(root)}"
    return found


def script(control: str = CONTROL, directories: str = DIRECTORIES) -> str:
    """Return the wrapper. control: the directory of the build's scripts. directories: that of requests."""
    return _SCRIPT.format(
        control=control, requests=REQUESTS, answers=ANSWERS, directories=directories, prefix=PREFIX, cross=CROSS,
        valued=_patterns(_PREPROCESSOR), alone=_patterns(_PREPROCESSOR_ALONE), denied=_patterns(_NOT),
        allowed=_patterns(_CODE),
    )  # fmt: skip


def _patterns(options: Iterable[str]) -> str:
    return " | ".join(options)
