"""Set up the environment of a shell: its variables, its command, and the start-up files of its interpreter."""

from __future__ import annotations

from fpack.cli.shells.model import Account, Closure, Host, ShellOptions

SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/games"
OWN = "/run/fpack"  # directory of fpack's files in the shell
# Variables that a clean environment keeps.
_KEPT = (
    "TERM", "COLORTERM", "NO_COLOR", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_RUNTIME_DIR", "SSH_AUTH_SOCK",
    "TMPDIR",
)  # fmt: skip
_TERMINAL = ("TERM", "COLORTERM", "NO_COLOR")
# Variables that point to the host's own programs and libraries.
_HOST_VARIABLES = frozenset((
    "PATH", "SHELL", "OLDPWD", "MANPATH", "INFOPATH", "PYTHONHOME", "PYTHONPATH", "PERL5LIB", "PERLLIB", "RUBYLIB",
    "GEM_HOME", "GEM_PATH", "NODE_PATH", "NODE_EXTRA_CA_CERTS", "GOROOT", "JAVA_HOME", "CPATH", "C_INCLUDE_PATH",
    "CPLUS_INCLUDE_PATH", "LIBRARY_PATH", "PKG_CONFIG_PATH", "CMAKE_PREFIX_PATH", "ACLOCAL_PATH", "GCONV_PATH",
    "LOCPATH", "LOCALE_ARCHIVE", "NLSPATH", "TERMINFO", "TERMINFO_DIRS",
    "XDG_DATA_DIRS", "XDG_CONFIG_DIRS", "GI_TYPELIB_PATH",
    "GIO_EXTRA_MODULES", "GTK_PATH", "QT_PLUGIN_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE", "GIT_SSL_CAINFO", "FONTCONFIG_FILE", "BASH_ENV", "ENV", "ZDOTDIR", "LANGUAGE", "VIRTUAL_ENV",
    "PROMPT_COMMAND", "PS1", "FPACK_ACTIVE",
))  # fmt: skip
_HOST_PREFIXES = ("LD_", "LC_", "NIX_", "GUIX_", "BASH_FUNC_")


def environment(closure: Closure, options: ShellOptions, host: Host, who: Account) -> dict[str, str]:
    given = host.environ
    if options.container:
        env = {name: given[name] for name in (*_TERMINAL, *options.keep) if name in given}
    elif options.pure:
        env = {name: given[name] for name in (*_KEPT, *options.keep) if name in given}
    else:
        env = {name: value for name, value in given.items() if is_portable(name) or name in options.keep}
    if "TERM" in env and host.terminfo and not options.container:
        env["TERMINFO_DIRS"] = ":/run/terminfo"
    if not f"{env.get('TMPDIR', '/tmp')}/".startswith("/tmp/"):
        del env["TMPDIR"]
    env |= {"HOME": who.home, "USER": who.name, "LOGNAME": who.name, "LANG": "C.UTF-8", "SHELL": "/bin/bash"}
    env |= closure.env
    own = env.get("PATH", "") if "PATH" in closure.env else ""
    env["PATH"] = ":".join(part for part in (own, closure.search, SEARCH, f"{OWN}/bin") if part)
    env["FPACK_SHELL"] = closure.name
    return env


def is_portable(name: str) -> bool:
    """Return whether a host variable has the same meaning in a shell."""
    return name not in _HOST_VARIABLES and not name.startswith(_HOST_PREFIXES)


def command(closure: Closure, options: ShellOptions, path: str) -> tuple[list[str], dict[str, str]]:
    """Return the command to run in the shell, and variables for its interpreter. path: the shell's PATH."""
    interpreter = options.interpreter or "bash"
    more: dict[str, str] = {}
    if not options.command:
        # Set PATH after the user's start-up files, which may put the host's programs first.
        more = {"FPACK_PATH": path, **({"FPACK_CLEAN": "1"} if options.pure or options.container else {})}
        if interpreter == "bash":
            return ["bash", "--rcfile", f"{OWN}/bashrc", "-i"], more
    if options.command:
        words = list(options.command)
    elif interpreter == "zsh":
        words = ["zsh", "-i"]
        more |= {"ZDOTDIR": f"{OWN}/zsh", "SHELL": "/bin/zsh"}
    else:
        words = ["fish", "-i", "--init-command", f"source {OWN}/init.fish"]
        more |= {"SHELL": "/usr/bin/fish"}
    if closure.hook:
        words = ["bash", "-c", f'. {OWN}/hook; exec "$@"', "bash", *words]
    return words, more


def scripts(closure: Closure) -> dict[str, str]:
    """Return the files in `OWN`, by path: the start-up files of the interpreters."""
    quoted = closure.name.replace("'", "")
    root = "".join(c if c.isalnum() else "-" for c in closure.view[-60:])
    files = {
        "hook": closure.hook + "\n",
        "bashrc": _BASH,
        "zsh/.zshenv": _ZSHENV,
        "zsh/.zshrc": _ZSH,
        "init.fish": _FISH,
        "bin/fpack": _INSIDE,
    }
    texts = {path: text.replace("@ROOT@", root).replace("@NAME@", quoted) for path, text in files.items()}
    return texts | dict(closure.files)


# The user's start-up files may call `fpack hook`. The host's fpack does not work here, so a function replaces it.
_BASH = """\
fpack() { /run/fpack/bin/fpack "$@"; }
if [ -r /etc/bash.bashrc ]; then . /etc/bash.bashrc; fi
if [ -z "${FPACK_CLEAN-}" ] && [ -r ~/.bashrc ]; then . ~/.bashrc; fi
PATH=$FPACK_PATH
unset FPACK_PATH FPACK_CLEAN
unset -f fpack
if [ -z "${BASH_COMPLETION_VERSINFO-}" ] && [ -r /usr/share/bash-completion/bash_completion ]; then
  . /usr/share/bash-completion/bash_completion
fi
PS1='\\[\\e[1;34m\\][@NAME@]\\[\\e[0m\\] '"${PS1-\\w\\\\$ }"
. /run/fpack/hook
"""
_ZSHENV = """\
ZDOTDIR=$HOME
fpack() { /run/fpack/bin/fpack "$@"; }
if [[ -z ${FPACK_CLEAN-} && -r $HOME/.zshenv ]]; then source $HOME/.zshenv; fi
ZDOTDIR=/run/fpack/zsh
"""
_ZSH = """\
ZDOTDIR=$HOME
HISTFILE=$HOME/.zsh_history
if [[ -z ${FPACK_CLEAN-} && -r $HOME/.zshrc ]]; then source $HOME/.zshrc; fi
PATH=$FPACK_PATH
unset FPACK_PATH FPACK_CLEAN
unset -f fpack
# The dump is sourced, so it lies where nobody else can write; it is of this root's functions.
_fpack_dump=${XDG_CACHE_HOME:-$HOME/.cache}/fpack/zsh
[[ -e $_fpack_dump ]] || command mkdir -p -m 700 -- $_fpack_dump 2>/dev/null
() { emulate -L zsh; local -a own; own=($_fpack_dump(N/U^IW)); _fpack_dump=${own[1]:+$own[1]/@ROOT@} }
autoload -Uz compinit && compinit -u ${_fpack_dump:+-d} ${_fpack_dump:--D}
unset _fpack_dump
PROMPT="%B%F{blue}[@NAME@]%f%b $PROMPT"
"""
_FISH = """\
set -gx PATH (string split : -- "$FPACK_PATH")
set -e FPACK_PATH
set -e FPACK_CLEAN
functions -q _fpack_prompt; or functions -c fish_prompt _fpack_prompt
function _fpack_status
    return $argv[1]
end
function fish_prompt
    set -l before $status
    set_color --bold blue
    echo -n '[@NAME@] '
    set_color normal
    _fpack_status $before
    _fpack_prompt
end
"""
_INSIDE = """\
#!/bin/sh
# In a start-up file that is read here too, a hook has nothing to do.
case ${1-} in hook) exit 0 ;; esac
echo "fpack: this is a shell that fpack made; call fpack outside of it" >&2
exit 1
"""
