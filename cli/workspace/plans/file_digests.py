"""Give the library the SHA-256 of files that a project's lock names without one, recorded in fpack.lock.

Older versions recorded them in a file beside the lock, such as gems.lock, which is read, and moved by `fpack lock`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from fpack.cli.ui.render import counted
from fpack.store.errors import FpackError

from .package_answers import PackageAnswers, damaged, text_field
from .project_files import file_text, relative

KIND = "digest"
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


class DigestFile(NamedTuple):
    """A file of digests. path: "" for none. files: the SHA-256 by URL. of: what it is a record of."""

    path: str
    files: Mapping[str, str]
    of: str


def plan(
    given: Mapping[str, Any], answers: PackageAnswers, fetch: Callable[[Mapping[str, str]], Mapping[str, str]]
) -> dict[str, str]:
    """Return the SHA-256 of each file, by its URL.

    given: `files`, the SHA-1 or "" of each URL; `what` they are, in messages; `older`: the path of a file of digests
    below `root`, or ""; `of`: what this would be a record of; `named`: the user named it, so it comes first and stays.
    fetch: returns the SHA-256 of files, as `file_digests`.
    """
    files: Mapping[str, str] = given["files"]
    named: bool = given["named"]
    older = _older(given["older"], given["root"])
    moves = bool(older.path) and not named and answers.takes_from(older.path)
    found: dict[str, str] = {}
    missing: list[str] = []
    for url, sha1 in files.items():
        known = "" if named and url in older.files else _locked(url, sha1, answers)
        before = older.files.get(url, "")
        if known and before and known != before:
            raise FpackError(
                "Two records of a file differ",
                where=relative(older.path, given["root"]),
                why=f"it has the SHA-256 {before} of {url}, and the lock has {known}",
                hint="delete the entry that is wrong",
            )
        if not known and before and moves and (not sha1 or older.of == given["of"]):
            answers.record(KIND, _request(url, sha1), [{"sha256": before}])
        elif not known and before and moves:
            before = ""  # recorded for another SHA-1, perhaps
        if known or before:
            found[url] = known or before
        else:
            missing.append(url)
    if missing:
        found |= _asked(
            missing, files, answers, fetch, f"the SHA-256 of {counted(len(missing), 'file')} ({given['what']})"
        )
    return found


def _request(url: str, sha1: str) -> dict[str, str]:
    """Return the request that stands in the lock, which must not have a user's password."""
    url = re.sub(r"(?<=//)[^/?#]*@", "", url, count=1)
    return {"url": url, **({"sha1": sha1} if sha1 else {})}


def _locked(url: str, sha1: str, answers: PackageAnswers) -> str:
    items = answers.locked(KIND, _request(url, sha1))
    return "" if items is None else _sha256(items, url)


def _asked(
    urls: list[str],
    files: Mapping[str, str],
    answers: PackageAnswers,
    fetch: Callable[[Mapping[str, str]], Mapping[str, str]],
    what: str,
) -> dict[str, str]:
    def ask(missing: list[int]) -> list[list[dict[str, Any]]]:
        chosen = [urls[i] for i in missing]
        digests = fetch({url: files[url] for url in chosen})
        return [[{"sha256": digests[url]}] for url in chosen]

    items = answers.answer(KIND, [_request(url, files[url]) for url in urls], ask, what)
    return {url: _sha256(item, url) for url, item in zip(urls, items, strict=True)}


def _sha256(items: list[dict[str, Any]], url: str) -> str:
    digest = text_field(items[0], "sha256") if len(items) == 1 else ""
    if not _SHA256.match(digest):
        raise damaged(f"there is no SHA-256 of {url}")
    return digest


def _older(path: str, root: str) -> DigestFile:
    """Read a file of digests; "" is an empty one."""
    if not path:
        return DigestFile("", {}, "")
    text = file_text(path, root)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    files = data.get("files") if isinstance(data, dict) else None
    if not isinstance(files, dict) or not all(isinstance(d, str) and _SHA256.match(d) for d in files.values()):
        raise FpackError(
            f"{os.path.basename(path)} is damaged",
            where=relative(path, root),
            why="it has no SHA-256 of each URL in `files`",
            hint="delete it, and run fpack lock",
        )
    return DigestFile(path, files, str(data.get("of", "")))


def delete_moved(answers: PackageAnswers) -> list[Path]:
    """Delete the files whose digests are in the saved lock. Return their paths."""
    moved = [Path(path) for path in sorted(answers.moved)]
    for path in moved:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise FpackError(
                f"{path.name} cannot be deleted",
                where=str(path),
                why=error.strerror or "",
                hint="delete it: the lock has its digests",
            ) from None
    answers.moved.clear()
    return moved
