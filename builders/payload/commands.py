"""Find the commands of Essential packages that a file calls, which no package declares as dependencies.

Debian packages need not depend on Essential packages. So a shell script that calls `sed`, and a program that calls
`system()`, depend on packages that neither their control files nor the loader name. The words of a script at which a
command can stand are compared with the commands of Essential packages. A word in a message can look like a command: the
result may be larger than what the script needs, never smaller, except for commands whose names are computed.
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


def script_commands(text: bytes) -> tuple[str, ...]:
    """Return the commands of Essential packages that a shell script calls, sorted."""
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
    return tuple(sorted(name for raw in found if (name := raw.decode("ascii", "replace")) in PACKAGES))


def runs_shell(strings: bytes) -> bool:
    """Return whether a program's dynamic string table names a C function that runs /bin/sh."""
    return _FUNCTIONS.search(strings) is not None
