"""Variables of a project reach a host's shell as data: no name or value of one is ever run there."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from support.needs import needs_bubblewrap
from support.processes.people import Person

pytestmark = needs_bubblewrap


def project(user: Person, tmp_path: Path, env: str, more: str = "") -> Path:
    text = f"""
debian = import("fpack/debian").trixie
shell = shell {{ name = "site", packages = [debian.greet], env = {{ {env} }}, {more} }}
"""
    return user.project(tmp_path.name, text)


SHELLS = {"bash": ["bash", "--norc", "-c"], "zsh": ["zsh", "-f", "-c"], "fish": ["fish", "--no-config", "-c"],
          "sh": ["sh", "-c"]}  # fmt: skip


def words(kind: str) -> list[str]:
    first = shutil.which(SHELLS[kind][0])
    if first is None:
        pytest.skip(f"{kind} is not installed")
    return [first, *SHELLS[kind][1:]]


NAMES = ["A; touch pwned; B", "A$(touch pwned)", "A=B", "", "1A", "A B", "A-B", "Ä", "A\\nB", "A[0]"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_no_name_is_refused_where_it_is_written(user: Person, tmp_path: Path, name: str) -> None:
    folder = project(user, tmp_path, f'"{name.replace("$", chr(92) + "$")}" = "x"')
    for words in (["--print-env"], ["--print-env=json"], ["--", "true"]):
        text = user.fails("shell", *words, cwd=folder)
        assert "fpack.fp:3:" in text and "name of a variable" in text, text


def test_a_name_that_no_library_has_seen_is_refused_where_text_is_written(user: Person, tmp_path: Path) -> None:
    """A shell may be a record that was written by hand, or changed."""
    folder = user.project(tmp_path.name, 'debian = import("fpack/debian").trixie\n'
                          'made = import("fpack/shell").shell { packages = [debian.greet] }\n'
                          'shell = { ...made, env = { "A; touch pwned; B" = "x" } }\n')  # fmt: skip
    user("trust", cwd=folder)
    for words in (["shell", "--print-env"], ["shell", "--print-env=fish"], ["shell", "--print-env=json"],
                  ["hook", "bash", "--enter", "."]):  # fmt: skip
        for _ in range(2):  # evaluated, and as it is kept
            done = user(*words, cwd=folder, status=None)
            assert "cannot be the name of a variable" in done.stderr and "touch" not in done.stdout, done


CALLS = ['service { start = "x", exports = V }', 'service { start = "x", env = V }',
         'package { name = "p", env = V }.out',
         'container { packages = [], name = "c", tag = "1", env = V }']  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
def test_a_name_that_is_no_name_in_the_library(user: Person, tmp_path: Path, call: str) -> None:
    variables = '{ "A b" = "x" }'
    folder = user.project(tmp_path.name, f"it =\n  {call.replace('V', variables)}\n")
    text = user.fails("eval", "fpack.fp#it", cwd=folder)
    assert '"A b" cannot be the name of a variable' in text and "fpack.fp:2:" in text


VALUES = ["$(touch pwned)", "`touch pwned`", "'; touch pwned; '", '"; touch pwned; "', "a\\\\'; touch pwned; '",
          "line\\ntouch pwned\\n", "'\\ntouch pwned\\n'", "\\\\", "\\\\'", "'", "''", "a''b", "~", "*", "!!", "=ls",
          "(touch pwned)", "{a,b}", "a[$(touch pwned)]", "\\t", " x ", "", "ü", "\\u{85}", "$HOME"]  # fmt: skip


@pytest.mark.parametrize("kind", SHELLS)
def test_a_value_is_only_a_value(user: Person, tmp_path: Path, kind: str) -> None:
    """Also where the shell has declared the variable in a way that makes it evaluate what it is given."""
    program = words(kind)
    env = ", ".join(f'V{n} = "{value.replace(chr(34), chr(92) + chr(34)).replace("$", chr(92) + "$")}"'
                    for n, value in enumerate(VALUES))  # fmt: skip
    folder = project(user, tmp_path, env)
    expected = json.loads(user("shell", "--print-env=json", cwd=folder).stdout)["env"]
    assert len(expected) == len(VALUES) and "line\ntouch pwned\n" in expected.values()
    text = user("shell", f"--print-env={'bash' if kind == 'sh' else kind}", cwd=folder).stdout
    declared = {
        "bash": "declare -i V17; declare -u V22; set -o posix",
        "zsh": "setopt rc_quotes; typeset -i V17; typeset -u V22; arr=(1); path=(/)",
    }.get(kind, "true")
    (folder / "text").write_text(text)
    source = "." if kind != "fish" else "source"
    done = user.run(*program, f"{declared}; {source} ./text; /usr/bin/env -0", cwd=folder)
    found = dict(each.split("=", 1) for each in done.stdout.split("\0") if "=" in each)
    assert {name: found.get(name) for name in expected} == expected, done.stderr
    assert not (folder / "pwned").exists() and done.stderr == ""


def test_a_value_with_a_nul_is_no_text(user: Person, tmp_path: Path) -> None:
    """bubblewrap's arguments, in which a shim has the variables, end with one."""
    folder = project(user, tmp_path, "A = read-text(./value)")
    (folder / "value").write_bytes(b"x\0--dev-bind\0/\0/\0")
    assert "NUL" in user.fails("shell", "--print-env", cwd=folder)


NAMES_OBEYED = """
LD_PRELOAD LD_AUDIT LD_LIBRARY_PATH GCONV_PATH BASH_ENV ENV PROMPT_COMMAND PS1 PS4 IFS ZDOTDIR SHELLOPTS
BASH_FUNC_ls__ RANDOM OPTIND HISTFILE MAILPATH INPUTRC STTY PYTHONSTARTUP PYTHONPATH PYTHONHOME PYTHONWARNINGS
PERL5OPT PERL5LIB PERL5DB NODE_OPTIONS NODE_PATH RUBYOPT RUBYLIB JAVA_TOOL_OPTIONS GIT_SSH_COMMAND GIT_EXTERNAL_DIFF
GIT_DIR GIT_PAGER PAGER MANPAGER EDITOR VISUAL LESSOPEN FPACK_ROOT XDG_STATE_HOME XDG_CACHE_HOME HOME TERM TMPDIR PATH
_FPACK_HERE _FPACK_WAIT DOCKER_CONFIG KUBECONFIG TAR_OPTIONS SSH_AUTH_SOCK https_proxy HTTPS_PROXY SSL_CERT_FILE
OPENSSL_CONF precmd_functions path fish_user_paths CC MAKEFLAGS GOFLAGS RUSTC_WRAPPER LS_COLORS
"""
OBEYED = NAMES_OBEYED.split()
NAMES_PLAIN = "FLASK_APP DATABASE_URL PGHOST NODE_ENV PORT HOST DEBUG RUST_LOG SECRET_KEY A1 LANG AWS_PROFILE"
PLAIN = NAMES_PLAIN.split()


@pytest.mark.parametrize("kind", ["bash", "zsh", "fish", "json"])
def test_what_the_hosts_programs_would_obey_does_not_leave(user: Person, tmp_path: Path, kind: str) -> None:
    folder = project(user, tmp_path, ", ".join(f'{name} = "theirs"' for name in (*OBEYED, *PLAIN)))
    first = user("shell", f"--print-env={kind}", cwd=folder)
    second = user("shell", f"--print-env={kind}", cwd=folder)
    assert first.stdout == second.stdout
    if kind == "json":
        said = json.loads(first.stdout)
        assert sorted(said["env"]) == sorted(PLAIN) and sorted(said["left_out"]) == sorted(OBEYED)
    else:
        assert first.stdout.count("theirs") == len(PLAIN)
    told = [line for line in first.stderr.splitlines() if line.startswith("fpack: variables that are not set here")]
    assert len(told) == 1 and "LD_PRELOAD" in told[0] and "FLASK_APP" not in told[0], "it is told, once"
    assert "not set here" not in second.stderr
    # A program of the shell has them.
    text = user("shell", "--print-env", cwd=folder).stdout
    (folder / "text").write_text(text)
    done = user.run("/bin/sh", "-c", ". ./text; LC_ALL=C greet; env | grep -c theirs", cwd=folder)
    assert done.stdout.startswith("greet 13") and done.stdout.endswith(f"\n{len(PLAIN)}\n"), done.stderr


def test_variables_of_a_hook_are_put_back(user: Person, tmp_path: Path) -> None:
    folder = project(user, tmp_path, 'LEVEL = "own", OTHER = "own", PS1 = "theirs", FPACK_ROOT = "/theirs"')
    user("trust", cwd=folder)
    hook = user("hook", "bash").stdout
    (folder / "hook").write_text(hook)
    script = (
        '. ./hook; _fpack_hook; echo "$LEVEL $OTHER $PS1"; cd /; _fpack_hook; echo "$LEVEL ${OTHER-none} $PS1"; env'
    )
    done = user.run(*words("bash"), f"PS1=mine; {script}", cwd=folder, env={"LEVEL": "it's\nmine"})
    assert done.stdout.startswith("own own mine\nit's\nmine none mine\n"), done.stderr
    assert "theirs" not in done.stdout


EVIL = """
#include <fcntl.h>
#include <unistd.h>
__attribute__((constructor)) static void run(void) { close(open(OUT, O_CREAT | O_WRONLY, 0600)); }
"""


@pytest.mark.parametrize("how", ["shell", "service", "exports"])
def test_a_variable_of_a_project_does_not_reach_the_program_that_makes_the_sandbox(
    user: Person, tmp_path: Path, how: str
) -> None:
    """The loader would run a library of the project in it, on the host, before there is a sandbox."""
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("gcc is not installed")
    text = """
debian = import("fpack/debian").trixie
s = service { packages = [debian.greet], start = "touch $RUN/up; sleep 9", ready = "test -e $RUN/up", ENV }
shell = import("fpack/shell").shell { packages = [debian.greet], services = { s }, MORE }
"""
    library = f'LD_PRELOAD = "{user.place}/{tmp_path.name}/evil.so"'
    field = {"shell": "", "service": f"env = {{ {library} }}", "exports": f"exports = {{ {library} }}"}[how]
    more = f"env = {{ {library} }}" if how == "shell" else ""
    folder = user.project(tmp_path.name, text.replace(", ENV", f", {field}" if field else "").replace(
        ", MORE", f", {more}" if more else ""))  # fmt: skip
    out = user.home / f"pwned-{tmp_path.name}"
    (folder / "evil.c").write_text(EVIL)
    subprocess.run(
        [compiler, "-shared", "-fPIC", f'-DOUT="{out}"', "-o", folder / "evil.so", folder / "evil.c"], check=True
    )
    user.own(folder)
    done = user("shell", "--container", "--", "greet", cwd=folder)
    assert done.stdout == "greet 13 \n"
    assert not out.exists()
