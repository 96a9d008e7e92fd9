"""`fpack hook`: print the code that lets bash, zsh, fish and direnv enter a project's shell with its directory."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

# _FPACK_STAMP: a file as new as the entered shell. _FPACK_WAIT: a file that exists once the project is trusted.
_SH = """\
_fpack_changed() {
  if [ -n "${_FPACK_WAIT-}" ]; then
    [ -e "$_FPACK_WAIT" ]
  else
    [ -n "${_FPACK_STAMP-}" ] &&
      { [ "$1/fpack.fp" -nt "$_FPACK_STAMP" ] || [ "$1/fpack.lock" -nt "$_FPACK_STAMP" ]; }
  fi
}
_fpack_hook() {
  local code=$? here=$PWD
  while [ -n "$here" ] && [ ! -e "$here/fpack.fp" ]; do here=${here%/*}; done
  if [ "$here" != "${_FPACK_HERE-}" ] || _fpack_changed "$here"; then
    if typeset -f _fpack_leave >/dev/null; then _fpack_leave; unset -f _fpack_leave; fi
    _FPACK_HERE=$here
    _FPACK_STAMP= _FPACK_WAIT=
    if [ -n "$here" ]; then eval "$(@FPACK@ hook @KIND@ --enter "$here")"; fi
  fi
  return $code
}
"""
_TEXTS = {
    "bash": _SH + 'case ";${PROMPT_COMMAND-};" in *";_fpack_hook;"*) ;; '
    '*) PROMPT_COMMAND="_fpack_hook${PROMPT_COMMAND:+;$PROMPT_COMMAND}" ;; esac\n',
    "zsh": _SH + "autoload -Uz add-zsh-hook && add-zsh-hook precmd _fpack_hook\n",
    "fish": """\
function _fpack_changed
    # fish's own test cannot compare ages before version 4.
    if test -n "$_FPACK_WAIT"
        test -e "$_FPACK_WAIT"
    else
        test -n "$_FPACK_STAMP"
        and command sh -c '[ "$1/fpack.fp" -nt "$2" ] || [ "$1/fpack.lock" -nt "$2" ]' sh $argv[1] $_FPACK_STAMP
    end
end
function _fpack_hook --on-event fish_prompt
    set -l here $PWD
    while test -n "$here"; and not test -e "$here/fpack.fp"
        set here (string replace -r '/[^/]*$' '' -- $here)
    end
    if test "$here" != "$_FPACK_HERE"; or _fpack_changed "$here"
        if functions -q _fpack_leave
            _fpack_leave
            functions -e _fpack_leave
        end
        set -g _FPACK_HERE $here
        set -e _FPACK_STAMP _FPACK_WAIT
        if test -n "$here"
            @FPACK@ hook fish --enter $here | source
        end
    end
end
""",
    "direnv": """\
use_fpack() {
  watch_file fpack.fp fpack.lock
  eval "$(@FPACK@ shell --print-env "$@")"
}
""",
}


@click.command(
    "hook",
    epilog="""\b
Examples:
  eval "$(fpack hook bash)"                                 in ~/.bashrc; zsh likewise
  fpack hook fish | source                                  in ~/.config/fish/config.fish
  fpack hook direnv > ~/.config/direnv/lib/fpack.sh         then: echo use fpack > .envrc""",
)
@click.argument("kind", type=click.Choice(list(_TEXTS)))
@click.option("--enter", type=click.Path(path_type=Path, file_okay=False), hidden=True)
def command(kind: str, enter: Path | None) -> int:
    """Print code for your shell, which enters a project's shell when you enter its directory, and leaves it after.

    Only trusted projects are entered. Run fpack trust, or fpack shell in the project, to trust it.
    """
    from fpack.cli.paths import make_private_directory
    from fpack.cli.shells import cache, warm_start
    from fpack.cli.shells.activation import shims, trust
    from fpack.cli.shells.activation.shell_text import assignment, exports, leaving, word
    from fpack.cli.shells.arguments import ShellRequest
    from fpack.store.errors import one_line

    if enter is None:
        program = [word(kind, part) for part in _program()]
        warm_start.write(_TEXTS[kind].replace("@FPACK@", " ".join(program)).replace("@KIND@", kind))
        return 0
    before = dict(os.environ)
    os.chdir(enter)
    # From here on the directory is the one that was checked, even if its path is replaced.
    here = os.getcwd()
    if not trust.is_trusted(here):
        refusal = trust.refusal(here)
        hint = f"it is never entered: {refusal}" if refusal else "fpack shell, or fpack trust, lets the hook enter it"
        warm_start.note(f"fpack: {one_line(here)} has a shell; {hint}")
        trust.forget(here)  # the entry may be of a former directory at this path
        warm_start.write(assignment(kind, "_FPACK_WAIT", trust.mark(here)))
        return 0
    request = ShellRequest("shell")
    path = warm_start.directory_of(request)
    make_private_directory(path)
    # Set the stamp before reading anything, also for failures: any later change counts as one.
    stamp = Path(path, "tried")
    stamp.touch()
    warm_start.write(assignment(kind, "_FPACK_STAMP", str(stamp)))
    shell = cache.load(path)
    if shell is None or not os.path.isdir(shell.closure.view):
        from fpack.cli.options import SharedOptions
        from fpack.cli.shells.realise import prepare

        shell = prepare(request, SharedOptions()).shell
    directory, env = shims.activate(shell)
    warm_start.write(leaving(kind, directory, env, before) + exports(kind, directory, env))
    shims.tell_left_out(shell, warm_start.note)
    return 0


def _program() -> list[str]:
    """Return the command that runs this fpack, from any directory."""
    path = os.path.abspath(sys.argv[0])
    # -P: the working directory may be a stranger's, so no module is imported from it.
    return [sys.executable, "-P", "-m", "fpack"] if os.path.basename(path) == "__main__.py" else [path]
