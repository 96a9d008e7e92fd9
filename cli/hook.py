"""`fpack hook`: what lets bash, zsh, fish and direnv enter a project's shell with its directory."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from .shells.shims import exports, leaving, quoted

_SH = """\
_fpack_hook() {
  local code=$? here=$PWD
  while [ -n "$here" ] && [ ! -e "$here/fpack.fp" ]; do here=${here%/*}; done
  if [ "$here" != "${_FPACK_HERE-}" ] || { [ -n "${_FPACK_STAMP-}" ] && { [ "$here/fpack.fp" -nt "$_FPACK_STAMP" ] ||
      [ "$here/fpack.lock" -nt "$_FPACK_STAMP" ]; }; }; then
    if typeset -f _fpack_leave >/dev/null; then _fpack_leave; unset -f _fpack_leave; fi
    _FPACK_HERE=$here
    _FPACK_STAMP=
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
function _fpack_hook --on-event fish_prompt
    set -l here $PWD
    while test -n "$here"; and not test -e "$here/fpack.fp"
        set here (string replace -r '/[^/]*$' '' -- $here)
    end
    if test "$here" != "$_FPACK_HERE"
        if functions -q _fpack_leave
            _fpack_leave
            functions -e _fpack_leave
        end
        set -g _FPACK_HERE $here
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
    """Print what makes a shell of the host enter a project's shell with its directory, and leave it.

    A project is entered once it was entered by hand, with fpack shell.
    """
    if enter is None:
        words = [quoted(os.path.abspath(sys.argv[0]))]
        sys.stdout.write(_TEXTS[kind].replace("@FPACK@", words[0]).replace("@KIND@", kind))
        return 0
    from .shells import cache, shims, trust, warm
    from .shells.request import Request

    before = dict(os.environ)
    os.chdir(enter)
    if not trust.is_trusted(str(enter)):
        warm.note(f"fpack: {enter} has a shell; fpack shell enters it, and has it entered from then on")
        return 0
    request = Request("shell")
    entry = cache.load(warm.place_of(request))
    if entry is None or not os.path.isdir(entry.closure.view):
        from .options import Options
        from .shells.prepare import prepare

        entry = prepare(request, Options()).entry
    folder, env = shims.activate(entry)
    sys.stdout.write(leaving(kind, folder, env, before) + exports(kind, folder, env))
    if kind != "fish":
        sys.stdout.write(f"_FPACK_STAMP={quoted(entry.place + '/entry')}\n")
    return 0
