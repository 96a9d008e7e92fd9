"""Find the modules that a file of an interpreted language imports, by reading its code.

Names are those of `languages.modules`: `a` or `a.b` for Python, `A::B` for Perl, `a/b` for Ruby, and so on. An import
is sure if the file cannot be loaded without it: it is a statement of the file itself, under no condition and in no
function.
"""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from fpack.builders.streams import zip_reader

from .languages import EXTENSION

MAX_TEXT = 1 << 20  # bytes of a file that are read
MAX_JAR = 1 << 26  # bytes
_MAX_MANIFEST = 1 << 18  # bytes


class Import(NamedTuple):
    """A module that a file imports. sure: loading the file imports it."""

    name: str
    sure: bool


def imports(language: str, text: bytes, known: Callable[[str], bool] = lambda name: False) -> Iterator[Import]:
    """Yield the modules that a file imports. known(name): whether a name can be left out, which saves time."""
    reader = _READERS.get(language)
    for found in reader(text, known) if reader is not None else ():
        if not known(found.name):
            yield found


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# ---- Python

# Modules that are part of the interpreter and have no file.
_PYTHON_BUILTINS = _words(
    "__future__ __main__ _abc _ast _bisect _blake2 _codecs _collections _csv _ctypes _datetime _functools _heapq _imp "
    "_io _json _locale _operator _pickle _posixsubprocess _random _signal _socket _sre _stat _string _struct _symtable "
    "_thread _tokenize _tracemalloc _typing _warnings _weakref array atexit binascii builtins cmath errno faulthandler "
    "fcntl gc grp itertools marshal math posix pwd pyexpat select spwd sys syslog time unicodedata zlib "
    "nt msvcrt winreg _winapi winsound java org"
)
_PYTHON_IMPORT = re.compile(
    rb"(?m)^[ \t]*(?:from[ \t]+([A-Za-z_][\w.]*)[ \t]+import\b"
    rb"|import[ \t]+([A-Za-z_][\w., \t]*))"
)


def _python(text: bytes, known: Callable[[str], bool]) -> Iterator[Import]:
    tops = {
        name.strip().split(b" ")[0].partition(b".")[0]
        for match in _PYTHON_IMPORT.finditer(text)
        for name in (match[1] or match[2]).split(b",")
    }
    if all(known(name.decode()) for name in tops if name):
        return
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        # It may be a template, or for an older Python.
        yield from (Import(name.decode(), False) for name in sorted(tops) if name and name.isascii())
        return
    sure = set(_top_level(tree.body))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for name in _python_names(node):
                if name.partition(".")[0] not in _PYTHON_BUILTINS:
                    yield Import(name, node in sure)


def _top_level(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run whenever the module is loaded."""
    for node in body:
        yield node
        if (
            isinstance(node, (ast.With, ast.ClassDef))
            or (isinstance(node, ast.Try) and not node.handlers)
            or (isinstance(node, ast.If) and _is_main(node.test))
        ):
            yield from _top_level(node.body)
        elif isinstance(node, (ast.Return, ast.Raise)) or _leaves(node):
            return


def _is_main(test: ast.expr) -> bool:
    """Return whether a condition is `__name__ == "__main__"`."""
    return isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__"


def _leaves(node: ast.stmt) -> bool:
    """Return whether a statement is a call of sys.exit."""
    call = node.value if isinstance(node, ast.Expr) else None
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "exit"


def _python_names(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [".".join(alias.name.split(".")[:2]) for alias in node.names]
    if node.level or not node.module:
        return []
    first, dot, rest = node.module.partition(".")
    if dot:
        return [f"{first}.{rest.partition('.')[0]}"]
    return [f"{first}.{alias.name}" if alias.name != "*" else first for alias in node.names]


# ---- languages whose statements are found by patterns

# A file may be one line of a megabyte. Possessive and atomic groups keep the time linear in it.

_POD = re.compile(rb"(?ms)^=[a-zA-Z].*?(?:^=cut\b|\Z)")
_HASH_COMMENT = re.compile(rb"(?m)^[ \t]*#.*$")
_LINE_COMMENT = re.compile(rb"(?m)^[ \t]*//[^\n]*$")
_STAR_COMMENT = re.compile(rb"(?s)/\*(?:.*?(\*/)|.*)|(?m:^[ \t]*//[^\n]*$)")  # the group is absent if nothing ends it
_DASH_COMMENT = re.compile(rb"(?m)^[ \t]*--.*$")
_PERL = re.compile(rb"(?m)^([ \t]*+)(?:(?>.*?\beval\b)[^\n]*?\b)?(use|require)[ \t]+([A-Za-z_]\w*(?:::\w+)*)([^;\n]*)")
_PERL_BASES = re.compile(rb"(?<![\w$^:])(?:[A-Za-z_]\w*(?:::\w+)+|[A-Z]\w*)")
_RUBY = re.compile(rb"(?m)^([ \t]*+)(?:.*?\b)?require[ \t(]+['\"]([\w./-]+)['\"]")
_NODE = re.compile(
    rb"(?m)^([^\n]*?)(?:\brequire\(\s*['\"]|\bfrom\s+['\"]|^import\s+['\"]|\bimport\(\s*['\"])"
    rb"((?:@[\w.-]+/)?[A-Za-z_][\w.-]*)(?:/[\w./-]*)?['\"]"
)
_NODE_BUILTINS = _words(
    "assert async_hooks buffer child_process cluster console constants crypto dgram diagnostics_channel dns domain "
    "events fs http http2 https inspector module net os path perf_hooks process punycode querystring readline repl "
    "stream string_decoder sys timers tls trace_events tty url util v8 vm wasi worker_threads zlib test"
)
_PHP = re.compile(rb"(?m)^([ \t]*)(?:require|include)(?:_once)?[ \t(]+['\"]([\w./-]+\.(?:php|inc))['\"]")
_PHP_CALL = re.compile(
    rb"(?<![\w>:$\\])(mb_|curl_|mysqli_|pg_|simplexml_|xml_parser_|utf8_|imap_|ldap_|bc(?:add|sub|mul|div|comp|mod|pow)|"
    rb"gmp_|imagecreate|imagepng|intl_|numfmt_|collator_|readline|sqlite_|zip_|tidy_|ssh2_|apcu_|enchant_|odbc_)"
    rb"\w*\s*\(|\bnew\s+\\?(DOMDocument|SimpleXMLElement|XMLReader|XMLWriter|ZipArchive|SQLite3|SoapClient|SoapServer|"
    rb"mysqli|NumberFormatter|Collator|IntlDateFormatter|Imagick|Redis|Memcached)\b"
)
_PHP_EXTENSIONS = {
    "mb_": "mbstring", "curl_": "curl", "mysqli_": "mysqli", "pg_": "pgsql", "simplexml_": "simplexml",
    "xml_parser_": "xml", "utf8_": "", "imap_": "imap", "ldap_": "ldap", "gmp_": "gmp", "imagecreate": "gd",
    "imagepng": "gd", "intl_": "intl", "numfmt_": "intl", "collator_": "intl", "readline": "readline", "zip_": "zip",
    "tidy_": "tidy", "ssh2_": "ssh2", "apcu_": "apcu", "enchant_": "enchant", "odbc_": "odbc", "DOMDocument": "dom",
    "SimpleXMLElement": "simplexml", "XMLReader": "xmlreader", "XMLWriter": "xmlwriter", "ZipArchive": "zip",
    "SQLite3": "sqlite3", "SoapClient": "soap", "SoapServer": "soap", "mysqli": "mysqli", "NumberFormatter": "intl",
    "Collator": "intl", "IntlDateFormatter": "intl", "Imagick": "imagick", "Redis": "redis", "Memcached": "memcached",
}  # fmt: skip
_LUA = re.compile(rb"(?m)^((?:local\s++[\w, \t]++=\s*+)?)(?:[^\n]*?\b)?require\s*+(?:\(\s*+)?['\"]([\w./-]+)['\"]")
_TCL = re.compile(rb"(?m)^([ \t]*+)(?:(?>.*?\bcatch\b).*?)?package[ \t]+require[ \t]+(?:-exact[ \t]+)?([\w:]+)")
_R = re.compile(rb"(?m)^([ \t]*+)(?:[^\n#]*?\b)?(?:library|require|requireNamespace|loadNamespace)\(\s*[\"']?([\w.]+)")
_R_COLONS = re.compile(rb"(?<![\w.])([\w.]++)::")
_R_NAME = re.compile(rb"\b[A-Za-z][\w.]+")
_R_PACKAGES = _words(
    "base compiler datasets grDevices graphics grid methods parallel splines stats stats4 tcltk tools utils"
)
_JAR = re.compile(rb"(?<![\w.+-])[0-9_.+-]*+([A-Za-z][\w.+-]*)\.jar\b")
_FIND_JARS = re.compile(rb"(?m)\bfind_jars[ \t]+([\w .\t-]+)")


def _without_star_comments(text: bytes) -> bytes:
    """Remove `/* */` and lines of `//`. A `/*` that nothing ends, as in the pattern `src/*`, begins no comment."""
    return _STAR_COMMENT.sub(
        lambda found: b"" if found[1] or found[0][:2] != b"/*" else _LINE_COMMENT.sub(b"", found[0]), text
    )


def _perl(text: bytes, known: Callable[[str], bool]) -> Iterator[Import]:
    text = _POD.sub(b"", text).partition(b"\n__END__")[0].partition(b"\n__DATA__")[0]
    for match in _PERL.finditer(_HASH_COMMENT.sub(b"", text)):
        name, rest = match[3].decode(), match[4]
        statement = text[match.start() : match.end()]
        plain = not match[1] and match[2] == b"use" and statement.startswith(b"use") and b" if " not in rest
        if name in ("base", "parent") and b"-norequire" not in rest:
            yield from (Import(base.decode(), plain) for base in _PERL_BASES.findall(rest))
        elif name == "if":
            yield from (Import(base.decode(), False) for base in _PERL_BASES.findall(rest))
        elif name[0] != "v":
            yield Import(name, plain)


def _ruby(text: bytes, known: Callable[[str], bool]) -> Iterator[Import]:
    for match in _RUBY.finditer(_HASH_COMMENT.sub(b"", text)):
        plain = not match[1] and match[0].startswith(b"require")
        yield Import(match[2].decode().removesuffix(".rb"), plain)


def _node(text: bytes, known: Callable[[str], bool]) -> Iterator[Import]:
    for match in _NODE.finditer(_without_star_comments(text)):
        name = match[2].decode()
        if name.partition("/")[0] not in _NODE_BUILTINS:
            plain = re.match(rb"(?:(?:const|let|var)\s[^=]*=\s*|import\b[^(]*)?\Z", match[1]) is not None
            yield Import(name, plain and b"import(" not in match[0])


def _php(text: bytes, known: Callable[[str], bool]) -> Iterator[Import]:
    text = _without_star_comments(text)
    for match in _PHP.finditer(text):
        yield Import(match[2].decode(), not match[1])
    for match in _PHP_CALL.finditer(text):
        word = (match[1] or match[2]).decode()
        name = "bcmath" if word.startswith("bc") else _PHP_EXTENSIONS.get(word, "")
        if name:
            yield Import(EXTENSION + name, False)


def _lua(text: bytes, known: Callable[[str], bool]) -> Iterator[Import]:
    for match in _LUA.finditer(_DASH_COMMENT.sub(b"", text)):
        plain = match[0].startswith((b"local", b"require")) and b"pcall" not in match[0]
        yield Import(match[2].decode().replace("/", "."), plain)


def _tcl(text: bytes, known: Callable[[str], bool]) -> Iterator[Import]:
    for match in _TCL.finditer(_HASH_COMMENT.sub(b"", text)):
        yield Import(match[2].decode().lower(), match[0].startswith(b"package"))


def _r(text: bytes, known: Callable[[str], bool]) -> Iterator[Import]:
    text = _HASH_COMMENT.sub(b"", text)
    for match in _R.finditer(text):
        plain = match[0].startswith(b"library") or (not match[1] and b"library(" in match[0])
        if match[2].decode() not in _R_PACKAGES:
            yield Import(match[2].decode(), plain)
    names = (found[0].decode() for run in _R_COLONS.findall(text) if (found := _R_NAME.search(run)))
    yield from (Import(name, False) for name in names if name not in _R_PACKAGES)


def _java(text: bytes, known: Callable[[str], bool]) -> Iterator[Import]:
    """Yield the archives of the class path that the manifest of an archive names, or those that a script names."""
    if not text.startswith(b"PK"):
        names = [*_JAR.findall(text), *(name for words in _FIND_JARS.findall(text) for name in words.split())]
        yield from (Import(name.decode().lower(), False) for name in names)
        return
    try:
        with zip_reader.open_zip(io.BytesIO(text)) as archive:
            info = archive.getinfo("META-INF/MANIFEST.MF")
            if info.file_size > _MAX_MANIFEST:
                return
            with zip_reader.open_member(archive, info) as file:
                manifest = file.read(_MAX_MANIFEST).replace(b"\r\n", b"\n").replace(b"\n ", b"")
    except (KeyError, OSError, *zip_reader.DAMAGED):
        return
    for line in manifest.splitlines():
        if line.lower().startswith(b"class-path:"):
            names = [word.rpartition(b"/")[2] for word in line.partition(b":")[2].split()]
            yield from (Import(n.removesuffix(b".jar").decode("utf-8", "replace").lower(), False) for n in names if n)


_READERS: dict[str, Callable[[bytes, Callable[[str], bool]], Iterator[Import]]] = {
    "python": _python, "perl": _perl, "ruby": _ruby, "node": _node, "php": _php, "lua": _lua, "tcl": _tcl, "r": _r,
    "java": _java,
}  # fmt: skip


# ---- names of packages

_GUESSES = {
    "python": ("python3-{0}", "python3-{1}"),
    "perl": ("lib{0}-perl",),
    "ruby": ("ruby-{0}", "ruby-{1}"),
    "node": ("node-{0}",),
    "php": ("php-{0}", "php-{1}"),
    "lua": ("lua-{0}", "lua-{1}"),
    "tcl": ("tcl-{0}", "tcl{0}", "tcllib"),
    "r": ("r-cran-{0}", "r-bioc-{0}"),
    "java": ("lib{0}-java", "lib{1}-java"),
}


def package_names(language: str, module: str) -> tuple[str, ...]:
    """Return names that Debian's package of a module may have, the likeliest first."""
    if module.startswith(EXTENSION):
        return (f"php-{_PHP_PACKAGES.get(module.removeprefix(EXTENSION), module.removeprefix(EXTENSION))}",)
    if language == "python" and (known := _PYTHON_PACKAGES.get(module.partition(".")[0])):
        return (f"python3-{known}",)
    parts = [part for part in re.split(r"[:/._@]+", module) if part]
    if language == "java":
        parts = [module]
    joined, first = "-".join(parts).lower(), parts[0].lower() if parts else ""
    if language == "python":
        joined, first = first, joined  # `a` is the distribution of most modules a.b
    return tuple(dict.fromkeys(form.format(joined, first) for form in _GUESSES[language]))


# Modules whose package has another name.
_PYTHON_PACKAGES = {
    "PIL": "pil", "yaml": "yaml", "bs4": "bs4", "dateutil": "dateutil", "Crypto": "pycryptodome", "Cryptodome":
    "pycryptodome", "serial": "serial", "usb": "usb", "OpenSSL": "openssl", "apt_pkg": "apt", "dns": "dnspython",
    "git": "git", "gi": "gi", "cv2": "opencv", "sklearn": "sklearn", "skimage": "skimage", "psycopg2": "psycopg2",
    "MySQLdb": "mysqldb", "ldap": "ldap", "zmq": "zmq", "jwt": "jwt", "attr": "attr", "attrs": "attr", "magic": "magic",
    "pkg_resources": "pkg-resources", "tkinter": "tk", "_tkinter": "tk", "Xlib": "xlib", "docx": "docx",
    "markdown": "markdown", "flask": "flask", "nacl": "nacl", "socks": "socks", "google": "protobuf", "dbus": "dbus",
    "cairo": "cairo",
}  # fmt: skip
_PHP_PACKAGES = {
    "dom": "xml", "simplexml": "xml", "xmlreader": "xml", "xmlwriter": "xml", "xsl": "xml", "mysqli": "mysql",
    "pdo_mysql": "mysql", "pdo_pgsql": "pgsql", "pdo_sqlite": "sqlite3",
}  # fmt: skip
