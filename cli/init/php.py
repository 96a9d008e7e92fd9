"""Guess how a PHP project is built and run.

A document root with an index.php becomes an image with PHP's own server, and a project with programs (`bin`) an image
that runs the first one. All else is a library.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from .guess import LIBRARY, Guess, clean_name, clean_version, few, record, records, strings, text
from .php_frameworks import database_extension, with_framework
from .project import Project

PORT = 8000
_DOCUMENT_ROOTS = ("public", "web", "htdocs", "www")
# Extensions that need no package of their own: they are in Debian's php packages, or `php` of the standard library adds
# them.
_BUILT_IN = {
    "calendar", "core", "ctype", "date", "exif", "ffi", "fileinfo", "filter", "ftp", "gettext", "hash", "iconv", "json",
    "libxml", "mbstring", "opcache", "openssl", "pcntl", "pcre", "pdo", "phar", "posix", "random", "readline",
    "reflection", "session", "shmop", "simplexml", "sockets", "sodium", "spl", "standard", "sysvmsg", "sysvsem",
    "sysvshm", "tokenizer", "xml", "xmlreader", "xmlwriter", "xsl", "dom", "zlib", "zend-opcache",
}  # fmt: skip
# Extension: the end of the name of its package, php8.4-NAME, if it has another name.
_PACKAGES = {"pdo_mysql": "mysql", "mysqli": "mysql", "pdo_pgsql": "pgsql", "pdo_sqlite": "sqlite3", "pdo_odbc": "odbc"}
# Types of composer.json that are no applications, even with an index.php.
_LIBRARIES = (
    "library",
    "symfony-bundle",
    "composer-plugin",
    "wordpress-plugin",
    "magento2-module",
    "phpcodesniffer-standard",
)


def php(project: Project) -> Guess | None:
    """Guess from composer.json, or from index.php."""
    if not project.has("composer.json", "public/index.php", "index.php"):
        return None
    data = project.json("composer.json")
    has_manifest = project.has("composer.json") is not None
    packages = _packages(project, record(data.get("require")))
    program = _program(project, data)
    reasons = ["composer.json: a PHP project"] if has_manifest else ["index.php: a PHP site"]
    reasons += packages.reasons
    scripts = [name for name in record(data.get("scripts")) if name.startswith(("post-install", "post-autoload"))]
    if scripts:
        reasons.append(f"composer.json: the scripts {few(scripts)} do not run: scripts = true runs them")
    made = Guess(
        "php",
        clean_name(data.get("name"), project),
        clean_version(data.get("version")),
        packages.fields,
        [],
        program.entrypoint,
        program.ports,
        [*reasons, program.reason],
        packages.todo,
        library=program.entrypoint is None,
        # The server answers one request at a time in each process.
        image_env=[("PHP_CLI_SERVER_WORKERS", "4")] if program.ports else [],
    )
    return with_framework(made, project) if program.ports else made


class _Packages(NamedTuple):
    """The needs of a project. fields: of the call. reasons, todo: sentences for its user."""

    fields: list[tuple[str, str]]
    reasons: list[str]
    todo: list[str]


def _packages(project: Project, required: dict[str, Any]) -> _Packages:
    """Return the lock and the extensions. required: the names that composer.json requires."""
    found = _Packages([], [], [])
    if project.has("composer.lock"):
        locked = records(project.json("composer.lock").get("packages"))
        found.fields.append(("lock", "./composer.lock"))
        found.reasons.append(f"composer.lock: {len(locked)} package{'' if len(locked) == 1 else 's'}")
        if locked:
            found.reasons.append("composer.lock: it has no SHA-256; those of the packages are recorded in fpack.lock")
        required = {**required, **{name: "" for row in locked for name in record(row.get("require"))}}
    elif any("/" in name for name in required):
        found.fields.append(("lock", "./composer.lock"))
        found.todo.append("lock the packages: composer update --no-install")
    if driver := database_extension(project):
        required = {**required, f"ext-{driver}": ""}
    if extensions := _extensions(required):
        found.fields.append(("extensions", f"[{', '.join(map(text, extensions))}]"))
        found.reasons.append(f"composer.json: the extensions {', '.join(extensions)}")
    return found


class _ImageProgram(NamedTuple):
    """The program that an image runs, and the reason. entrypoint: None for a library."""

    entrypoint: list[str] | None
    ports: list[int]
    reason: str


def _program(project: Project, data: dict[str, Any]) -> _ImageProgram:
    """Return PHP's server for a document root, else the first program. data: the content of composer.json."""
    folder = next((f for f in _DOCUMENT_ROOTS if project.has(f"{f}/index.php")), None)
    folder = "." if folder is None and project.has("index.php") else folder
    if folder is not None and str(data.get("type", "project")) not in _LIBRARIES:
        root = "@/app" if folder == "." else f"@/app/{folder}"
        # A front controller answers all requests. As the server's router, it would also get those for other files.
        router = project.has(f"{folder}/index.php") if folder != "." and not _static(project, folder) else None
        entrypoint = ["@/bin/php", "-S", f"0.0.0.0:{PORT}", "-t", root, *([f"@/app/{router}"] if router else [])]
        reason = f"{folder}/index.php: the image serves {folder} by PHP's own server, which suits light use"
        return _ImageProgram(entrypoint, [PORT], reason)
    programs = [data["bin"]] if isinstance(data.get("bin"), str) else strings(data.get("bin"))
    if programs:
        name = programs[0].rpartition("/")[2].removesuffix(".php")
        return _ImageProgram([f"@/bin/{name}"], [], f"the image runs {programs[0]}")
    return _ImageProgram(None, [], LIBRARY)


def _static(project: Project, folder: str) -> bool:
    """Return whether a document root has other files than the front controller, which the server serves itself."""
    names = [file for file in project.files if file.startswith(f"{folder}/")]
    return any(not name.endswith((".php", ".htaccess", "robots.txt", "favicon.ico")) for name in names)


def _extensions(required: dict[str, object]) -> list[str]:
    """Return the packages of the extensions that `require` names, without those that are always there."""
    names = {name[4:].lower() for name in required if re.fullmatch(r"ext-[a-zA-Z0-9_-]+", name)}
    return sorted({_PACKAGES.get(name, name) for name in names if name not in _BUILT_IN})
