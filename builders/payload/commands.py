"""Find the commands of Essential packages that a file calls, which no package declares as dependencies.

Debian packages need not depend on Essential packages. So a shell script that calls `sed`, and a program that calls
`system()`, depend on packages that neither their control files nor the loader name. The words of a script at which a
command can stand are compared with the commands of Essential packages. A word in a message can look like a command: the
result may be larger than what the script needs, never smaller, except for commands whose names are computed.

In a program in Perl, Python or Ruby, only literal commands count: the arguments of functions that run commands, and
backticks.
"""

from __future__ import annotations

import re

SHELLS = frozenset({"sh", "bash", "dash"})
MAX_SCRIPT = 1 << 18  # bytes of a script that are read
MAX_STRINGS = 1 << 22  # bytes of a program's dynamic string table that are searched

# Commands by Essential package. Names that are also builtins of dash (echo, printf, test, pwd, kill, true, false, [)
# are left out, and so are common English words (more, reset, factor, join, link, users), except those that scripts
# often call.
_COMMANDS = {
    "coreutils": "arch b2sum base32 base64 basename cat chgrp chmod chown chroot cksum comm cp csplit cut date dd df "
    "dirname du env expand expr fmt fold groups head id install ln logname ls md5sum mkdir mkfifo mknod mktemp mv nice "
    "nl nohup nproc numfmt od paste pathchk printenv readlink realpath rm rmdir seq sha1sum sha224sum sha256sum "
    "sha384sum sha512sum shred shuf sleep sort split stat stdbuf stty sum sync tac tail tee timeout touch tr truncate "
    "tty uname uniq unlink wc who whoami yes",
    "util-linux": "blkid findmnt flock getopt ionice lsblk lscpu mountpoint nsenter prlimit rev runuser setpriv setsid "
    "setarch su taskset unshare",
    "bsdutils": "logger renice",
    "debianutils": "ischroot run-parts savelog tempfile which",
    "ncurses-bin": "clear infocmp tput tset",
    "libc-bin": "getconf getent iconv ldconfig ldd locale",
    "diffutils": "cmp diff diff3 sdiff",
    "findutils": "find xargs",
    "grep": "egrep fgrep grep rgrep",
    "gzip": "gunzip gzip zcat zcmp zdiff zegrep zfgrep zgrep zless zmore",
    "sed": "sed",
    "tar": "tar",
    "hostname": "dnsdomainname domainname hostname",
    "mawk": "awk mawk nawk",
    "bash": "bash",
    "dash": "sh",
    "perl-base": "perl",
    "passwd": "chage chpasswd gpasswd groupadd groupmod passwd useradd usermod",
}
PACKAGES = {command: package for package, names in _COMMANDS.items() for command in names.split()}
# C functions that run /bin/sh. Those that search PATH run it for a file without a known format.
_FUNCTIONS = re.compile(rb"\0(?:system|popen|wordexp|execlp|execvp|execvpe|posix_spawnp)\0")
_COMMENT = re.compile(rb"(?m)^[ \t]*#.*$")
_SEPARATOR = re.compile(rb"[;&|(){}`\n]+")
_ABSOLUTE = re.compile(rb"(?:/usr)?/s?bin/([a-z][a-z0-9-]*)(?![\w/-])")
_ASSIGNMENT = re.compile(rb"[A-Za-z_]\w*=")
# Words after which another command follows.
_KEYWORDS = frozenset(b"if then elif else do while until ! exec command eval time builtin".split())
_PREFIXES = frozenset(b"env nice nohup setsid sudo timeout xargs which stdbuf flock".split())
_MAX_WORDS = 16  # words of a command that are looked at
# Files without a `#!` line, by their names or first lines.
_LANGUAGES = {".pm": "perl", ".pl": "perl", ".py": "python", ".rb": "ruby"}
_PERL = re.compile(rb"(?:#[^\n]*\n|\n)*use (?:strict|warnings)\b")
_INTERPRETER = re.compile(r"(perl|python|ruby)[0-9.]*\Z")
_POD = re.compile(rb"\n=[a-zA-Z]")
_POD_END = re.compile(rb"\n=cut\b")
# Each begins with a literal, which `re` searches for quickly, and each repetition has a limit.
_LITERAL = rb"[ \t]{0,8}+\(?\s{0,40}+\[?\s{0,40}+[bruf]?(?:\"([^\"\n]{1,400})\"|'([^'\n]{1,400})')"
_CALLS = (
    re.compile(rb"system(?<![\w.>:$@%-]system)" + _LITERAL),
    re.compile(rb"exec(?<![\w.>:$@%-]exec)" + _LITERAL),
    re.compile(rb"os\.(?:system|popen|exec[lv]p?e?|spawn[lv]p?e?)" + _LITERAL),
    re.compile(rb"subprocess\.(?:run|call|check_call|check_output|getoutput|getstatusoutput|Popen)" + _LITERAL),
    re.compile(rb"Popen(?<![\w.]Popen)" + _LITERAL),
    re.compile(rb"check_(?:output|call)(?<![\w.]check_output)(?<![\w.]check_call)" + _LITERAL),
    re.compile(rb"-\|[\"']\s{0,40}," + _LITERAL),
    re.compile(rb"open(?<!\wopen)[ \t]{0,8}\(?[^,\n]{1,80},\s{0,40}[\"']([^\"'\n]{1,400})\|[ \t]{0,8}[\"']"),
    re.compile(rb"qx(?<!\wqx)[ \t]{0,8}(?:\{([^}\n]{1,400})\}|\(([^)\n]{1,400})\)|([/\"'|!])([^\n]{1,400}?)\3)"),
)
# A command in backticks where an expression can stand, not in a comment or a message.
_BACKTICKS = re.compile(rb"`([^`\n]{1,400})`")
_BEFORE_BACKTICKS = re.compile(rb"(?:[=(,{@]|\b(?:return|or|and|unless|if|chomp))\s{0,40}\Z")


def script_commands(text: bytes) -> tuple[str, ...]:
    """Return the commands of Essential packages that a shell script calls, sorted."""
    return tuple(sorted(name for name in called_names(text) if name in PACKAGES))


def called_names(text: bytes) -> set[str]:
    """Return the words at which a shell script can call a command, of any package or of none."""
    text = _COMMENT.sub(b"", text[:MAX_SCRIPT])
    found = set(_ABSOLUTE.findall(text))
    for part in _SEPARATOR.split(text):
        for word in part.split(None, _MAX_WORDS)[:_MAX_WORDS]:
            word = word.strip(b"\"'$")
            if word in _PREFIXES:
                found.add(word)
            elif word not in _KEYWORDS and word[:1] not in (b"-", b"") and not _ASSIGNMENT.match(word):
                found.add(word)
                break
    return {raw.decode("ascii", "replace") for raw in found}


def language(names: tuple[str, ...]) -> str:
    """Return perl, python or ruby, or "". names: the program of a `#!` line, and the words that `env` gets."""
    found = (_INTERPRETER.match(name.rpartition("/")[2]) for name in names)
    return next((match[1] for match in found if match), "")


def module_language(path: str, head: bytes) -> str:
    """Return the language of a file without a `#!` line, or "". head: its first bytes."""
    suffix = _LANGUAGES.get(path[-3:], "")
    return suffix or ("perl" if _PERL.match(head) else "")


def interpreted_commands(text: bytes, language: str) -> tuple[str, ...]:
    """Return the commands of Essential packages that a program in Perl, Python or Ruby calls, sorted."""
    text = text[:MAX_SCRIPT]
    if language == "perl":
        text = _without_pod(text).partition(b"\n__END__")[0]
    text = _COMMENT.sub(b"", text)
    lines = [
        next(group for group in reversed(match.groups()) if group) for calls in _CALLS for match in calls.finditer(text)
    ]
    if language != "python":
        lines += [
            match[1]
            for match in _BACKTICKS.finditer(text)
            if _BEFORE_BACKTICKS.search(text, max(0, match.start() - 50), match.start())
        ]
    return tuple(sorted({command for line in lines for command in script_commands(line)}))


def _without_pod(text: bytes) -> bytes:
    """Return a program in Perl without its documentation. Each part begins at a line with `=` and ends after `=cut`."""
    text = b"\n" + text  # both expressions begin with a literal, which `re` searches for quickly
    kept = []
    start = 0
    while (pod := _POD.search(text, start)) is not None:
        kept.append(text[start : pod.start() + 1])
        end = _POD_END.search(text, pod.end() - 1)
        if end is None:
            break
        start = end.end()
    else:
        kept.append(text[start:])
    return b"".join(kept)[1:]


def runs_shell(strings: bytes) -> bool:
    """Return whether a program's dynamic string table names a C function that runs /bin/sh."""
    return _FUNCTIONS.search(strings) is not None
