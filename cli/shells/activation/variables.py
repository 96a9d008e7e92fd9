"""Decide which variables of a project's shell may be set in a shell of the host, where all programs see them.

In the project's own root a variable means what the project intends. In a shell of the host it reaches unrelated
programs: git, less, an editor, another python. So variables are left out that make such a program run or load
something, that shells use themselves, or that describe the user. The shell's own programs have these variables all the
same.
"""

from __future__ import annotations

from collections.abc import Mapping

# Names, prefixes (`X*`) and suffixes (`*X`), by what obeys them. docs/shells.md lists the same groups.
GROUPS: Mapping[str, str] = {
    "shells": """
        _* ARGC ARGV0 BASH* BAUD CDPATH CHILD_MAX CMD_DURATION COLUMNS COMPREPLY COMP_* COPROC CORRECT_IGNORE CPUTYPE
        DIRSTACK* EGID EMACS ENV EPOCHREALTIME EPOCHSECONDS ERRNO EUID EXECIGNORE FCEDIT FIGNORE FISH* FPATH FUNCNAME
        FUNCNEST GID GLOBIGNORE GROUPS HIST* HOSTFILE HOSTNAME HOSTTYPE IFS IGNOREEOF INPUTRC INSIDE_EMACS
        KEYBOARD_HACK KEYTIMEOUT LINENO LINES LISTMAX LOGCHECK LS_OPTIONS MACHTYPE MAIL MAILCHECK MAILPATH MAPFILE
        MODULE_PATH NULLCMD OLDPWD OPTARG OPTERR OPTIND OSTYPE PERIOD PIPESTATUS POSIXLY_CORRECT PPID PROMPT* PS0 PS1
        PS2 PS3 PS4 PSVAR PWD RANDOM READLINE_* READNULLCMD REPLY REPORTMEMORY REPORTTIME RPROMPT* RPS1 RPS2 SAVEHIST
        SECONDS SHELLOPTS SHLVL SPROMPT SRANDOM STTY TIMEFMT TIMEFORMAT TMOUT TMPPREFIX TMPSUFFIX TTY TTYIDLE UID
        USERNAME VENDOR WATCH WATCHFMT WORDCHARS ZBEEP ZDOTDIR ZLE_* ZSH*
        """,
    "who and where the user is": """
        DBUS_* DISPLAY FPACK* HOME LOGNAME NOTIFY_SOCKET PATH TEMP TEMPDIR TERM TERMCAP TERMINFO* TMP TMPDIR TMUX*
        USER WAYLAND_* XAUTHORITY XDG_*
        """,
    "the loader and the C library": """
        DYLD_* GCONV_PATH GETCONF_DIR GLIBC_TUNABLES HOSTALIASES LD_* LOCALDOMAIN LOCPATH MALLOC_* NIS_PATH NLSPATH
        RESOLV_* RES_OPTIONS TZDIR
        """,
    "programs that others start": """
        *ASKPASS *BROWSER *_CMD *_COMMAND *DIFFTOOL *EDITOR *_HOOK *_HOOKS *_LAUNCHER *MERGETOOL *PAGER *_RSH *_RUNNER
        *SHELL *TERMINAL *VISUAL *_WRAPPER
        """,
    "options and plug-ins": """
        *_ARGS *FLAGS *_INIT *_MODULES *OPTIONS *OPTS *_PLUGIN *_PLUGINS *_PLUGIN_DIR *_PLUGIN_PATH *_PRELOAD *_RC
        *RCFILE
        """,
    "where programs find their settings": """
        *CONFIG *_CONFIG_DIR *_CONFIG_FILE *_CONFIG_HOME *_CONFIG_PATH *_HOME
        """,
    "interpreters": """
        ANT_* BUNDLER_* BUNDLE_* BUN_* CLASSPATH COMPLUS_* COMPOSER_* CONDA_* CORECLR_* COREPACK_* COVERAGE_* DENO_*
        DOTNET_* ELIXIR_* ERL_* GEM_* GHC* GOPATH GOROOT GRADLE_* GROOVY_* GUILE_* IPYTHONDIR IRBRC JAVA_* JDK_*
        JULIA_* JUPYTER_* KOTLIN_* LUA_* M2_* MAVEN_* MIX_* NODE_* NPM_* NUGET_* NVM_* OCAML* OPAM* PERL* PHPRC
        PHP_INI_* PIPENV_* PIPX_* PIP_* PNPM_* POETRY_* PRE_COMMIT_* PYENV_* PYTEST_* PYTHON* RBENV_* RUBY* RVM_* R_*
        SBT_* SCALA_* TCLLIBPATH TCL_* TS_NODE_* UV_* VIRTUAL_ENV* VOLTA_* WORKON_* YARN_*
        """,
    "compilers and builds": """
        ACLOCAL* AR AS AUTOCONF* AUTOM4TE* AUTOMAKE* BAZEL* CARGO* CC CCACHE_* CGO_* CMAKE* COMPILER_PATH CONFIG_SHELL
        CONFIG_SITE CPATH CPP CXX CXXCPP DISTCC_* F77 FC GCC_* GOAUTH GOBIN GOENV GOINSECURE GONOPROXY GONOSUMDB
        GOPRIVATE GOPROXY GOSUMDB GOTOOLCHAIN GOVCS GOWORK *_INCLUDE_PATH INCLUDE_PATH LD LEX LIBRARY_PATH LIBTOOL*
        M4* MAKE MAKEFILES MESON* NINJA* NM OBJCOPY OBJDUMP PKG_CONFIG* RANLIB RUST* SCCACHE_* STRIP YACC
        """,
    "programs with commands of their own": """
        ACKRC ANSIBLE_* APT_CONFIG ASDF_* AWS_CA_BUNDLE AWS_CONFIG_FILE AWS_ENDPOINT* AWS_SHARED_CREDENTIALS_FILE
        AZURE_* BAT_* BOTO* BUILDAH_* CLOUDSDK_* CONTAINERS_* CONTAINER_HOST CURL_* CVS* DEBCONF_* DEBUGINFOD_*
        DELTA_* DIRENV_* DOCKER_* DPKG_* EMACS* EXINIT FLATPAK_* FZF_* GDB* GH_* GIT_* GNUPGHOME GPG_* GROFF_* GUIX_*
        GVIM* GZIP HELM_* HG HGMERGE HGRCPATH HOMEBREW_* KAKOUNE_* KRB5* KUBE* LDAP* LESS* LIBMYSQL_* LYNX_* MAILCAPS
        MAILRC MANOPT MANPATH MICRO_* MISE_* MORE MOST_* MYSQL_HOME MYVIMRC NETRC NIX_* NNN_* NVIM* ODBC* OPENSSL_*
        PASSWORD_STORE_* PERF_* PODMAN_* POWERLEVEL* POWERLINE* PSQL* QUILT_* RANGER_* REGISTRY_AUTH_FILE RIPGREP_*
        RPM_* RSYNC_* SASL_* SCREENDIR SCREENRC SSH_* STARSHIP_* SUDO_* SVN_* SYSTEMD_* TAPE TAR_* TEXFORMATS
        TEXINPUTS TEXMF* TF_CLI_* TF_PLUGIN_* TF_REATTACH_* TIGRC* UNZIP VALGRIND_* VIM* VSCODE_* WGETRC XMODIFIERS
        ZIPOPT
        """,
    "what is sent to the terminal": """
        *COLORS GREP_COLOR POSTEDIT
        """,
    "graphics and sound": """
        ALSA_* EGL_* ELECTRON_* FONTCONFIG_* GDK_* GIO_* GI_* GST_* GTK* JACK_* KDE* LADSPA_PATH LIBGL_* LIBVA_*
        LV2_PATH MESA_* OCL_* PIPEWIRE_* PULSE_* QML* QTDIR QT_* SDL_* VDPAU_* VK_*
        """,
    "where connections go, and what is trusted there": """
        *CA_BUNDLE GNUTLS_* *_PROXY SSLKEYLOGFILE SSL_*
        """,
}  # fmt: skip
# Names that match a prefix or suffix, but that only programs of the project obey.
HARMLESS = frozenset(("FEATURE_FLAGS", "MIX_ENV", "NODE_ENV", "PGOPTIONS", "RUBY_ENV", "RUST_BACKTRACE", "RUST_LOG"))


def is_name(text: str) -> bool:
    """Return whether every shell accepts a text as a variable name: [A-Za-z_][A-Za-z0-9_]*."""
    return text.isascii() and text.isidentifier()


def may_leave(name: str) -> bool:
    """Return whether a variable of this name from a project may be set in a shell of the host.

    Names with lower-case letters may not: shells and users' start-up files use such names for their own variables.
    """
    if name in HARMLESS:
        return True
    return name == name.upper() and not (name in _NAMES or name.startswith(_PREFIXES) or name.endswith(_SUFFIXES))


def left_out(env: Mapping[str, str]) -> list[str]:
    """Return the names of a project's variables that a shell of the host does not get, sorted."""
    return sorted(name for name in env if not may_leave(name))


def patterns() -> list[str]:
    """Return all names, prefixes and suffixes."""
    return "".join(GROUPS.values()).split()


_NAMES = frozenset(patterns())
_PREFIXES = tuple(word[:-1] for word in _NAMES if word[-1] == "*")
_SUFFIXES = tuple(word[1:] for word in _NAMES if word[0] == "*")
