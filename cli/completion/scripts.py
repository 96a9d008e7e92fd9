"""The scripts that make bash, zsh and fish complete fpack's commands, by `fpack __complete`."""

from __future__ import annotations

_BASH = r"""# Completion of fpack for bash.
_fpack() {
  local IFS=$'\n' line mode current=${COMP_WORDS[COMP_CWORD]}
  local -a lines=()
  COMPREPLY=()
  mapfile -t lines < <("${COMP_WORDS[0]/#\~/$HOME}" __complete bash "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  mode=${lines[0]-}
  [[ $current == = ]] && current=
  case $mode in
    files) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    dirs) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
    nospace) compopt -o nospace 2>/dev/null ;;&
    *) for line in "${lines[@]:1}"; do COMPREPLY+=("${line%%$'\t'*}"); done ;;
  esac
}
complete -F _fpack fpack
"""

_ZSH = r"""#compdef fpack
# Completion of fpack for zsh.
_fpack() {
  local -a lines values shown suffix
  local line mode text what
  local -i widest=0
  lines=("${(@f)$(${(Q)words[1]} __complete zsh "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
  mode=${lines[1]}
  case $mode in
    files) _files; return ;;
    dirs) _files -/; return ;;
    nospace) suffix=(-S '') ;;
  esac
  for line in "${(@)lines[2,-1]}"; do
    text=${line%%$'\t'*}
    [[ -n $text ]] || continue
    values+=("$text")
    (( $#text > widest )) && widest=$#text
  done
  (( $#values )) || return 1
  for line in "${(@)lines[2,-1]}"; do
    text=${line%%$'\t'*} what=
    [[ -n $text ]] || continue
    [[ $line == *$'\t'* ]] && what="  -- ${line#*$'\t'}"
    shown+=("${(r:widest:)text}$what")
  done
  if [[ ${(j::)lines} == *$'\t'* ]]; then
    compadd "${(@)suffix}" -l -d shown -a values
  else
    compadd "${(@)suffix}" -a values
  fi
}
if [[ $funcstack[1] == _fpack ]]; then
  _fpack "$@"
else
  compdef _fpack fpack
fi
"""

_FISH = r"""# Completion of fpack for fish.
function __fpack_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program $words[1]
    set -e words[1]
    set -l lines (command $program __complete fish $words "$current" 2>/dev/null)
    switch "$lines[1]"
        case files
            __fish_complete_path "$current"
        case dirs
            __fish_complete_directories "$current"
        case '*'
            set -e lines[1]
            printf '%s\n' $lines
    end
end
complete -c fpack -f -a '(__fpack_complete)'
"""

SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
