"""Find the programs of the system that a project of Python or Node starts by their names, such as java or ffmpeg.

No lock of packages says that a program is needed. All functions are pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from ..guess import Guess

# The packages of programs. Those of desktops, of shells and of build tools are left out: code starts them for a
# developer, or an image has them anyway.
_PACKAGES: Mapping[str, str] = {
    "java": "default-jre-headless", "git": "git", "hg": "mercurial", "svn": "subversion",
    "ffmpeg": "ffmpeg", "ffprobe": "ffmpeg", "sox": "sox", "mediainfo": "mediainfo",
    "convert": "imagemagick", "magick": "imagemagick", "mogrify": "imagemagick", "identify": "imagemagick",
    "gm": "graphicsmagick", "dot": "graphviz", "exiftool": "libimage-exiftool-perl", "tesseract": "tesseract-ocr",
    "gs": "ghostscript", "pandoc": "pandoc", "qpdf": "qpdf", "soffice": "libreoffice-nogui",
    "libreoffice": "libreoffice-nogui", "pdftotext": "poppler-utils", "pdftoppm": "poppler-utils",
    "pdfinfo": "poppler-utils", "pdftocairo": "poppler-utils", "inkscape": "inkscape",
    "ssh": "openssh-client", "scp": "openssh-client", "ssh-keygen": "openssh-client", "sshpass": "sshpass",
    "rsync": "rsync", "curl": "curl", "wget": "wget", "aria2c": "aria2", "gpg": "gpg", "openssl": "openssl",
    "psql": "postgresql-client", "pg_dump": "postgresql-client", "mysqldump": "mariadb-client",
    "redis-cli": "redis-tools", "unzip": "unzip", "zip": "zip", "7z": "7zip", "nmap": "nmap", "tcpdump": "tcpdump",
    "ping": "iputils-ping", "traceroute": "traceroute", "ip": "iproute2", "iptables": "iptables", "lsof": "lsof",
}  # fmt: skip
# Packages of PyPI and of npm that start a program.
_STARTED_BY: Mapping[str, Mapping[str, str]] = {
    "python": {
        "gitpython": "git", "pydub": "ffmpeg", "ffmpeg-python": "ffmpeg", "pytesseract": "tesseract",
        "pdf2image": "pdftoppm", "pypandoc": "pandoc", "graphviz": "dot", "pydot": "dot", "tabula-py": "java",
        "pyspark": "java", "language-tool-python": "java", "pyexiftool": "exiftool", "jpype1": "java",
    },
    "node": {
        "simple-git": "git", "fluent-ffmpeg": "ffmpeg", "gm": "gm", "imagemagick": "convert",
        "node-tesseract-ocr": "tesseract", "exiftool": "exiftool", "node-pandoc": "pandoc",
        "@openapitools/openapi-generator-cli": "java",
    },
}  # fmt: skip
_NAME = "(" + "|".join(map(re.escape, sorted(_PACKAGES, key=len, reverse=True))) + ")"
_QUOTE = "[\"'`]"
# A literal with the program alone, or with its arguments.
_COMMAND = rf"{_QUOTE}{_NAME}(?={_QUOTE}|[ ])"
_VERBS = (
    "add|apply|archive|blame|branch|cat-file|checkout|clone|commit|config|describe|diff|fetch|grep|info|init|log|"
    "ls-files|merge|pull|push|remote|rev-list|rev-parse|show|status|submodule|symbolic-ref|tag|update"
)
# The program is the first of a list whose second word is an option, or a verb of version control.
_LISTS = (
    re.compile(rf"\[\s{{0,40}}[\"']{_NAME}[\"'],\s{{0,40}}[rf]?[\"']-"),
    re.compile(rf"\[\s{{0,40}}[\"'](git|hg|svn)[\"'],\s{{0,40}}[\"'](?:{_VERBS})[\"']"),
)
# How code of each language starts programs: what a file has that does, and the expressions of a start.
_STARTS: Mapping[str, tuple[re.Pattern[str], tuple[re.Pattern[str], ...]]] = {
    "python": (
        re.compile(r"\bsubprocess\b|\bos\.(?:system|popen|exec|spawn)"),
        (
            re.compile(
                r"\b(?:run|call|check_call|check_output|getoutput|getstatusoutput|Popen|system|popen|which|"
                rf"create_subprocess_exec|create_subprocess_shell)\(\s{{0,40}}\[?\s{{0,40}}[rf]?{_COMMAND}"
            ),
            *_LISTS,
        ),
    ),
    "node": (
        re.compile(r"\bchild_process\b|[\"'](?:execa|cross-spawn|shelljs|zx|which)[\"']"),
        (
            re.compile(
                r"\b(?:spawn|spawnSync|exec|execSync|execFile|execFileSync|execa|execaSync|execaCommand|which|"
                rf"execAsync|execPromise)\)?\(\s{{0,40}}{_COMMAND}"
            ),
            *_LISTS,
            # A command line that is joined.
            re.compile(rf"\[\s{{0,40}}[\"']{_NAME}[\"'],[^\[\]]{{1,400}}\][^;\[\]]{{0,120}}\.join\([\"'] [\"']\)"),
        ),
    ),
}
# What a file has that goes on without a program.
_MISSING = re.compile(r"\bFileNotFoundError\b|\bENOENT\b|\bwhich(?:\.sync)?\(|\bOSError\b|\bcommandExists\b")
_MOST = 8  # programs that are added or named
_MATCHES = 1000  # of an expression in a file that are read
_COMMENTS = ("#", "//", "*")


class StartedProgram(NamedTuple):
    """A program that code starts. where: the place, for a message. needed: the code does not go on without it."""

    name: str
    where: str
    needed: bool

    @property
    def package(self) -> str:
        """The package of Debian that has it."""
        return _PACKAGES[self.name]


def started(texts: Mapping[str, str], language: str) -> Iterator[StartedProgram]:
    """Yield the programs that code starts, each once a line. texts: by their paths. language: python or node."""
    starts, calls = _STARTS[language]
    for path, text in sorted(texts.items()):
        if not starts.search(text):
            continue
        needed = not _MISSING.search(text)
        told: set[tuple[str, int]] = set()
        for call in calls:
            line, end = 1, 0
            for found in islice(call.finditer(text), _MATCHES):
                line, end = line + text.count("\n", end, found.start()), found.start()
                before = text[max(0, found.start() - 200) : found.start()].rpartition("\n")[2].lstrip()
                if not before.startswith(_COMMENTS) and (found[1], line) not in told:
                    told.add((found[1], line))
                    yield StartedProgram(found[1], f"{path}:{line}", needed)


def started_by(packages: Collection[str], language: str) -> Iterator[StartedProgram]:
    """Yield the programs that packages start which a project asks for. packages: their normalised names."""
    known = _STARTED_BY[language]
    for name in sorted(known.keys() & set(packages)):
        yield StartedProgram(known[name], f"the package {name}", True)


def with_programs(guess: Guess, programs: Collection[StartedProgram]) -> Guess:
    """Return a guess whose image has the programs that its code needs, and whose reasons name the others.

    The project's own program, which code may start too, is none of them.
    """
    own = {guess.name, *(item.rpartition("/")[2] for item in (guess.entrypoint or ())[:1])}
    programs = [program for program in programs if program.name not in own]
    image, reasons = [*guess.image_packages], [*guess.reasons]
    told: set[str] = set()
    for program in sorted(programs, key=lambda one: not one.needed):
        if program.package in (*image, *told) or len(told) >= _MOST:
            continue
        told.add(program.package)
        if program.needed:
            image.append(program.package)
            reasons.append(f"{program.where}: it starts {program.name}, which is in {program.package}")
        else:
            reasons.append(
                f"{program.where}: it starts {program.name} if that is installed: add {program.package} to "
                "`packages` of the image"
            )
    return guess._replace(image_packages=image, reasons=reasons)
