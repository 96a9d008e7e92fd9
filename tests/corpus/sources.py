"""Fetch the archives of the corpus from the registries that the machine's pip, npm and apt use, and unpack them."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tarfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

from corpus.projects import CorpusProject
from fpack.builders.debian.mirrors import find_mirrors
from fpack.builders.kinds.pypi import links
from fpack.builders.net.language_packages.tool_settings import npm_registry, pip_indexes


class SourceUnavailable(Exception):
    """No registry of this machine has the archive with its digest."""


def unpack(project: CorpusProject, cache: Path, target: Path) -> Path:
    """Unpack the project's archive below `target`, and return the directory of the project."""
    archive = fetch(project, cache)
    if target.exists():
        shutil.rmtree(target)
    target.mkdir(parents=True)
    if archive.name.endswith(".zip"):
        with zipfile.ZipFile(archive) as zipped:
            zipped.extractall(target)  # noqa: S202 - its digest is the list's
    else:
        with tarfile.open(archive) as tar:
            tar.extractall(target, filter="tar")
    entries = list(target.iterdir())
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else target


def fetch(project: CorpusProject, cache: Path) -> Path:
    """Return the archive in `cache`, fetched if it is not there. Raise SourceUnavailable."""
    name = project.file.rpartition("/")[2]
    path = cache / f"{project.sha256[:16]}-{name}"
    if path.exists():
        return path
    cache.mkdir(parents=True, exist_ok=True)
    why = "no address is known"
    for url in _urls(project):
        try:
            data = _get(url)
        except (OSError, urllib.error.URLError) as error:
            why = str(error)
            continue
        digest = hashlib.sha256(data).hexdigest()
        if digest == project.sha256:
            part = path.with_suffix(".part")
            part.write_bytes(data)
            part.rename(path)
            return path
        why = f"its SHA-256 is {digest}"
    raise SourceUnavailable(f"{project.name} {project.version}: {name}: {why}")


def _urls(project: CorpusProject) -> Iterator[str]:
    if project.registry == "debian":
        yield from find_mirrors().urls("debian", project.file)
    elif project.registry == "npm":
        base = f"{npm_registry()}/{project.name}"
        yield json.loads(_get(f"{base}/{project.version}"))["dist"]["tarball"]
    else:
        page = re.sub(r"[-_.]+", "-", project.name).lower()
        for index in pip_indexes():
            url = f"{index}/{page}/"
            yield from (file.url for file in links(_get(url).decode(), url) if file.name == project.file)


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=120) as response:
        data: bytes = response.read()
    return data
