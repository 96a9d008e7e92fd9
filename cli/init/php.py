"""Guess how a PHP project is built and run.

A document root with an index.php becomes an image with PHP's own server, and a project with programs (`bin`) an image
that runs the first one. All else is a library.
"""

from __future__ import annotations

import re

from .guess import LIBRARY, Guess, clean_name, clean_version, few, record, records, strings, text
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
    reasons = ["composer.json: a PHP project"] if has_manifest else ["index.php: a PHP site"]
    todo: list[str] = []
    fields: list[tuple[str, str]] = []
    required = record(data.get("require"))
    needs = [name for name in required if "/" in name]
    if project.has("composer.lock"):
        lock = project.json("composer.lock")
        found = records(lock.get("packages"))
        fields.append(("lock", "./composer.lock"))
        reasons.append(f"composer.lock: {len(found)} package{'' if len(found) == 1 else 's'}")
        if found:
            reasons.append("composer.lock: it has no SHA-256; those of the packages are recorded in fpack.lock")
        required = {**required, **{name: "" for row in found for name in record(row.get("require"))}}
    elif needs:
        fields.append(("lock", "./composer.lock"))
        todo.append("lock the packages: composer update --no-install")
    extensions = _extensions(required)
    if extensions:
        fields.append(("extensions", f"[{', '.join(map(text, extensions))}]"))
        reasons.append(f"composer.json: the extensions {', '.join(extensions)}")
    scripts = [name for name in record(data.get("scripts")) if name.startswith(("post-install", "post-autoload"))]
    if scripts:
        reasons.append(f"composer.json: the scripts {few(scripts)} do not run: scripts = true runs them")
    programs = strings(data.get("bin")) or [str(data["bin"])] if isinstance(data.get("bin"), (str, list)) else []
    folder = next((f for f in _DOCUMENT_ROOTS if project.has(f"{f}/index.php")), None)
    folder = "." if folder is None and project.has("index.php") else folder
    entrypoint: list[str] | None = None
    ports: list[int] = []
    if folder is not None and str(data.get("type", "project")) not in _LIBRARIES:
        root = "@/app" if folder == "." else f"@/app/{folder}"
        entrypoint, ports = ["@/bin/php", "-S", f"0.0.0.0:{PORT}", "-t", root], [PORT]
        # A front controller answers all requests. As the server's router, it would also get those for other files.
        router = project.has(f"{folder}/index.php") if folder != "." else None
        entrypoint += [f"@/app/{router}"] if router and not _static(project, folder) else []
        reasons.append(f"{folder}/index.php: the image serves {folder} by PHP's own server, which suits light use")
    elif programs:
        name = programs[0].rpartition("/")[2].removesuffix(".php")
        entrypoint = [f"@/bin/{name}"]
        reasons.append(f"the image runs {programs[0]}")
    library = entrypoint is None
    if library:
        reasons.append(LIBRARY)
    version = clean_version(data.get("version"))
    return Guess(
        "php", clean_name(data.get("name"), project), version, fields, [], entrypoint, ports, reasons, todo, library
    )


def _static(project: Project, folder: str) -> bool:
    """Return whether a document root has other files than the front controller, which the server serves itself."""
    names = [file for file in project.files if file.startswith(f"{folder}/")]
    return any(not name.endswith((".php", ".htaccess", "robots.txt", "favicon.ico")) for name in names)


def _extensions(required: dict[str, object]) -> list[str]:
    """Return the packages of the extensions that `require` names, without those that are always there."""
    names = {name[4:].lower() for name in required if re.fullmatch(r"ext-[a-zA-Z0-9_-]+", name)}
    return sorted({_PACKAGES.get(name, name) for name in names if name not in _BUILT_IN})
