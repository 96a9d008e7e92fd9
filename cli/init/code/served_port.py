"""Find the port that a project's server listens on, in its code. All functions but one are pure.

Only plain constants are found: in the call that listens, in the variable that it takes, or as the default of the
variable PORT. A port that depends on anything else stays unknown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ..guess import Guess
from .texts import read_code

_VENDORED = re.compile(r"(?:^|/)(?:vendor|third[-_]?party|extern(?:al)?|deps|build|dist)/")
_STRING_ADDRESS = r"[\"'`](?:[a-z]+://)?(?:[\w.*-]*|\[[\w:]*\]):(\d{2,5})[\"'`/]"
_HOST = r"[\"'](?:[\d.]*|localhost|\[?::\d?\]?)[\"']"
_LOOPBACK = re.compile(
    r"[\"'`/](?:127\.0\.0\.1|localhost|\[?::1\]?)[\"'`:]|\[\s*127\s*,\s*0\s*,\s*0\s*,\s*1\s*\]|INADDR_LOOPBACK"
)
_ANY = re.compile(
    r"0\.0\.0\.0|\[?::\]?[\"':]|\b0\s*,\s*0\s*,\s*0\s*,\s*0\b|(?i:_any\b)|UNSPECIFIED|\b(?i:host)\b\s*=\s*[\"']{2}"
)
LOOPBACK = (
    "it listens on the address of its own container alone; let it listen on 0.0.0.0, or no other program reaches it"
)
# Names of variables with a port, also in capitals.
_VARIABLE = r"\b(?:\w*_)?(?i:port)\b"


class ListeningCode(NamedTuple):
    """The calls by which code of a language listens.

    endings: of the names of its files. listens: a call that waits for connections. ports: the forms of its port, the
    surest first, each with the port as its group; the first is the default of a variable PORT. likely: further forms,
    which the port of another server may have too. lexemes: strings, which stay, and comments, as the group `comment`.
    usual: the ports of libraries that choose one themselves.
    """

    endings: tuple[str, ...]
    listens: re.Pattern[str]
    ports: Sequence[re.Pattern[str]]
    likely: Sequence[re.Pattern[str]]
    lexemes: re.Pattern[str]
    usual: Sequence[UsualPort] = ()


class UsualPort(NamedTuple):
    """A library that chooses a port. pattern: of code that uses it. loopback: it listens on the machine's own address
    unless it is told another one. env: variables by which it listens on all addresses.
    """

    pattern: re.Pattern[str]
    port: int
    loopback: bool = False
    env: Sequence[tuple[str, str]] = ()


class ListeningFile(NamedTuple):
    """A file that listens. path: of the project. port: None if it does not name one. loopback: it names only the
    address of the machine itself. env: variables by which its library listens on all addresses. sure: the port is in
    the call that listens, or the default of a variable PORT."""

    path: str
    port: int | None
    loopback: bool
    env: Sequence[tuple[str, str]] = ()
    sure: bool = False


def _all(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern) for pattern in patterns)


# A string or a comment that does not end reaches to the end of the line or of the file, so that each is read once.
_DOUBLE, _BLOCK = r"\"(?:\\.|[^\"\\\n])*\"?", r"(?P<comment>//[^\n]*|/\*.*?(?:\*/|\Z))"
# A single quote begins a character or, in Rust, a lifetime.
_C_LEXEMES = re.compile(rf"{_DOUBLE}|'(?:\\[^\n]|[^'\\\n])'|{_BLOCK}", re.DOTALL)
_NODE_LEXEMES = re.compile(rf"{_DOUBLE}|'(?:\\.|[^'\\\n])*'?|`(?:\\.|[^`\\])*`?|{_BLOCK}", re.DOTALL)
_PYTHON_LEXEMES = re.compile(
    r"\"{3}.*?(?:\"{3}|\Z)|'{3}.*?(?:'{3}|\Z)|" + _DOUBLE + r"|'(?:\\.|[^'\\\n])*'?|(?P<comment>\#[^\n]*)", re.DOTALL
)

_C = ListeningCode(
    (".c", ".cc", ".cpp", ".cxx"),
    re.compile(
        r"(?<![\w.])(?:::)?listen\s*\(|\.listen\s*\(|::acceptor\b|\.(?:multithreaded|run_async|run)\s*\(|addListener\s*\("
    ),
    _all(
        r"getenv\s*\(\s*\"(?:\w+_)?PORT\"[^;]{0,120}:\s*\"?(\d{2,5})\b",
        rf"\.listen\s*\(\s*{_HOST}\s*,\s*(\d{{2,5}})\b",
        r"\.port\s*\(\s*(\d{2,5})\s*\)",
        rf"addListener\s*\(\s*{_HOST}\s*,\s*(\d{{2,5}})\b",
        r"\bendpoint\s*[({]\s*[\w:]*v[46]\(\)\s*,\s*(\d{2,5})\b",
        r"\bhtons\s*\(\s*(\d{2,5})\s*\)",
    ),
    _all(r"#\s*define\s+(?:\w+_)?PORT\s+\"?(\d{2,5})\b", rf"{_VARIABLE}\s*(?:=|\{{)\s*\"?(\d{{2,5}})\b"),
    _C_LEXEMES,
)
_RUST = ListeningCode(
    (".rs",),
    re.compile(
        r"Listener::bind\s*\(|UdpSocket::bind\s*\(|HttpServer::new|Server::bind|\.bind\s*\(|warp::serve|rocket::build|"
        r"#\[launch\]|Server::http\s*\("
    ),
    _all(
        r"(?i:\bport)[^;]{0,160}?unwrap_or\w*\([^\"\d;]{0,30}\"?(\d{2,5})\b",
        rf"\bbind\s*\(\s*&?{_STRING_ADDRESS}",
        r"\[\s*\d+(?:\s*,\s*\d+){3}\s*\]\s*,\s*(\d{2,5})\b",
        rf"\(\s*{_HOST}\s*,\s*(\d{{2,5}})\s*\)",
        r"(?:UNSPECIFIED|LOCALHOST)(?:\.into\(\)|\))*\s*,\s*(\d{2,5})\b",
    ),
    _all(
        _STRING_ADDRESS,
        r"default_value(?:_t)?\s*=\s*\"?(\d{2,5})\b[^;,]{0,80}?\n\s*(?:pub\s+)?port\b",
        r"\b(?i:(?:\w+_)?port)\s*(?::\s*&?\w+)?\s*=\s*\"?(\d{2,5})\b",
    ),
    _C_LEXEMES,
    (UsualPort(re.compile(r"rocket::build|#\[launch\]"), 8000, env=[("ROCKET_ADDRESS", "0.0.0.0")]),),
)
# The start of a call whose address follows.
_PYTHON_BIND = r"(?:\.bind|\b\w*[sS]erver|\bserve|\brun_simple)\(\s*"
_PYTHON = ListeningCode(
    (".py",),
    re.compile(
        r"\b(?:uvicorn|hypercorn|waitress|bjoern|granian|app|application|web|server|socketio|mcp|tornado)\.(?:run|run_app|serve|listen)\(|"
        r"\b(?:run_app|run_simple|make_server|start_server|create_server|TCPServer|UDPServer|HTTPServer|WSGIServer|serve)\(|"
        r"\.listen\(|\.bind\("
    ),
    _all(
        r"[\"'](?:\w+_)?PORT[\"']\s*,\s*[\"']?(\d{2,5})\b",
        r"[\"'](?:\w+_)?PORT[\"']\)?\]?\s*or\s*[\"']?(\d{2,5})\b",
        r"[\"']--port[\"'][^)]{0,160}?\bdefault\s*=\s*[\"']?(\d{2,5})\b",
        r"\.listen\(\s*(\d{2,5})\b",
        rf"{_PYTHON_BIND}\(\s*(?:{_HOST}|[\w.]+)\s*,\s*(\d{{4,5}})\s*,?\s*\)",
        rf"{_PYTHON_BIND}(?:[\w.]+\s*,\s*)?{_HOST}\s*,\s*(\d{{4,5}})\b",
    ),
    _all(rf"{_VARIABLE}\s*(?::\s*int\s*)?=\s*[\"']?(\d{{2,5}})\b"),
    _PYTHON_LEXEMES,
    (
        UsualPort(re.compile(r"\buvicorn\.run\("), 8000, loopback=True),
        UsualPort(re.compile(r"\b(?:web\.run_app|waitress\.serve)\("), 8080),
        UsualPort(re.compile(r"\b(?:Flask|Quart)\("), 5000, loopback=True),
    ),
)
_NODE = ListeningCode(
    (".js", ".mjs", ".cjs", ".ts", ".mts"),
    re.compile(r"\.listen\s*\(|\bserve\s*\(|\bcreateServer\s*\(|WebSocketServer\s*\("),
    _all(
        r"\bPORT[\"']?\]?\)?\s*(?:\|\||\?\?)\s*[\"'`]?(\d{2,5})\b",
        r"[\"'](?:\w+_)?PORT[\"']\s*,\s*[\"']?(\d{2,5})\b",
        r"\.listen\s*\(\s*[\"']?(\d{2,5})\b",
    ),
    _all(r"\b(?i:(?:\w+_)?port)\s*(?::\s*number\s*)?[:=]\s*[\"'`]?(\d{2,5})\b"),
    _NODE_LEXEMES,
)
_LANGUAGES: Mapping[str, ListeningCode] = {
    "python": _PYTHON, "node": _NODE, "rust": _RUST, "make": _C, "cmake": _C, "meson": _C, "autotools": _C,
}  # fmt: skip


def with_port(guess: Guess, directory: Path) -> Guess:
    """Return a guess with the port that the code of its program listens on, if the code names one plainly.

    A port in the program's arguments is kept.
    """
    code = _LANGUAGES.get(guess.call)
    words = list(guess.entrypoint or ())
    if (
        code is None
        or not words
        or guess.image is not None
        or any(str(port) in " ".join(words) for port in guess.ports)
    ):
        return guess
    found = listening(read_code(directory, code.endings), code, entry_file(guess), dict(guess.fields).get("crate", ""))
    return with_listening(guess, found)


def with_listening(guess: Guess, found: ListeningFile | None) -> Guess:
    """Return a guess whose image has the port of a file that listens. A port that it has stays unless this is sure."""
    if found is None:
        return guess
    reasons = [*guess.reasons]
    ports = guess.ports
    if found.port is not None and list(ports) != [found.port] and (found.sure or not ports):
        ports = [found.port]
        reasons.append(f"{found.path}: it listens on port {found.port}")
    if found.loopback:
        reasons.append(f"{found.path}: {LOOPBACK}")
    return guess._replace(ports=ports, reasons=reasons, image_env=[*guess.image_env, *found.env])


def listening(texts: Mapping[str, str], code: ListeningCode, entry: str = "", crate: str = "") -> ListeningFile | None:
    """Return the file that listens: the program's, else the only one, else one whose port all others have.

    texts: of the code, by path. entry: the file of the program, or "". crate: the directory of the program's crate, as
    a literal of the language, or "".
    """
    folder = f"{crate.strip(chr(34))}/" if crate.strip('"') not in ("", ".") else ""
    texts = {path: text for path, text in texts.items() if path.startswith(folder) and not _VENDORED.search(path)}
    listen = {path: _without_comments(text, code) for path, text in texts.items() if code.listens.search(text)}
    files = [_file(path, text, code) for path, text in listen.items() if code.listens.search(text)]
    if not files:
        return None
    own = next((file for file in files if file.path == entry), None)
    if own is not None and own.port is not None:
        return own
    named = [file for file in files if file.port is not None]
    if len({file.port for file in named}) == 1:
        return named[0]
    # The port may be read where the settings are.
    settings = [text for text in texts.values() if not named and code.ports[0].search(text)]
    ports = {
        int(port[1])
        for text in settings
        if (port := code.ports[0].search(_without_comments(text, code))) and _is_port(port)
    }
    return (own or files[0])._replace(port=ports.pop(), sure=True) if len(ports) == 1 else own


def _without_comments(text: str, code: ListeningCode) -> str:
    """Return code with a space for each comment."""
    return code.lexemes.sub(lambda found: " " if found["comment"] else found[0], text)


def entry_file(guess: Guess) -> str:
    """Return the file of the project that the image's program is compiled from or runs, or "" if nothing tells."""
    words = [word for word in guess.entrypoint or () if word.startswith("@/")]
    if guess.call == "rust":
        crate = dict(guess.fields).get("crate", "").strip('"')
        return f"{crate}/src/main.rs".lstrip("/")
    return next((word.removeprefix("@/app/") for word in reversed(words) if word.startswith("@/app/")), "")


def _file(path: str, text: str, code: ListeningCode) -> ListeningFile:
    usual = [library for library in code.usual if library.pattern.search(text)]
    sure, port = True, _first_port(text, code.ports)
    if port is None:
        sure, port = False, _first_port(text, code.likely)
    if port is None and usual:
        port = usual[0].port
    # An address of other machines may be a choice that is made when the program starts.
    local = any(library.loopback for library in usual)
    return ListeningFile(path, port, is_loopback(text, local), [row for library in usual for row in library.env], sure)


def _first_port(text: str, patterns: Sequence[re.Pattern[str]]) -> int | None:
    return next((int(found[1]) for pattern in patterns for found in pattern.finditer(text) if _is_port(found)), None)


def is_loopback(text: str, usual: bool = False) -> bool:
    """Return whether a file names the address of the machine itself alone. usual: its library does, without a word."""
    return (usual or bool(_LOOPBACK.search(text))) and not _ANY.search(text)


def _is_port(found: re.Match[str]) -> bool:
    return 0 < int(found[1]) < 65536
