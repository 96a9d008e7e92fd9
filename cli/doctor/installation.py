"""Check the installation: the store, Debian's mirrors, the keyring, the lock and the clock."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fpack.store.errors import FpackError
from fpack.store.root import default_root

from .machine import OK, PROBLEM, WARNING, CheckResult, existing

if TYPE_CHECKING:
    from fpack.builders.debian.mirrors import Mirrors
    from fpack.cli.workspace.workspace import Workspace

DAY = 86400
OLD = 30  # days
TIMEOUT = 4.0  # seconds for one mirror
PATIENCE = 6.0  # seconds for all mirrors
MAX_MIRRORS = 8


def failed(name: str, error: FpackError, state: str = PROBLEM) -> CheckResult:
    """Turn an error into a check result."""
    where = f" ({error.where})" if error.where else ""
    return CheckResult(name, state, f"{error.what}{where}{f': {error.why}' if error.why else ''}", error.hint)


def store_directory() -> CheckResult:
    """Check the store's directory, and that it can be written."""
    path = default_root()
    why = "FPACK_ROOT" if os.environ.get("FPACK_ROOT") else "the default"
    if not (path / "db").is_dir():
        above = existing(path)
        # A file in place of a directory prevents the store, too.
        clear = not any(entry.exists() and not entry.is_dir() for entry in (path, *path.parents))
        if clear and os.access(above, os.W_OK | os.X_OK):
            return CheckResult("store", OK, f"{path} ({why}), which the first build creates")
        hint = "set FPACK_ROOT to a directory that you can write to"
        return CheckResult("store", PROBLEM, f"{path} ({why}) cannot be created", hint)
    unwritable = [
        str(directory) for directory in (path / "store", path / "tmp", path / "db") if not _writable(directory)
    ]
    if unwritable:
        hint = "it belongs to another user, or its disk is mounted read-only"
        return CheckResult("store", PROBLEM, f"{unwritable[0]} cannot be written", hint)
    return CheckResult("store", OK, f"{path} ({why})")


def _writable(directory: Path) -> bool:
    probe = directory / f".fpack-doctor-{os.urandom(6).hex()}"
    try:
        probe.touch()
        probe.unlink()
    except OSError:
        return False
    return True


def database() -> Iterator[CheckResult]:
    """Check the store's database, and count its paths."""
    from fpack.cli.ui.render import megabytes
    from fpack.store.database import Database

    path = default_root() / "db" / "fpack.sqlite"
    if not path.exists():
        return
    try:
        database = Database(path)
        try:
            trouble = database.trouble()
            infos = database.paths()
        finally:
            database.close()
    except FpackError as error:
        yield failed("database", error)
        return
    if trouble:
        hint = "move the store away; builds recreate everything in it"
        yield CheckResult("database", PROBLEM, f"{path} is damaged: {trouble}", hint)
    else:
        yield CheckResult("database", OK, f"{len(infos)} paths, {megabytes(sum(info.size for info in infos))}")


def mirrors(known: Mirrors, now: float) -> list[CheckResult]:
    """Check that each mirror answers, and how recent it is. All mirrors are asked at once."""
    import threading

    from fpack.builders.debian.suites import DEBIAN, STABLE

    bases = known.bases[:MAX_MIRRORS]
    if not bases:
        hint = "set one with FPACK_MIRROR, or in fpack/config.toml"
        return [CheckResult("mirrors", WARNING, "no mirror is known: files come from the slow snapshot archive", hint)]
    findings: dict[int, CheckResult] = {}

    def ask(number: int) -> None:
        base = bases[number]
        suite = STABLE if base.archive == DEBIAN else f"{STABLE}-security"
        findings[number] = _mirror(f"{base.url}/dists/{suite}/InRelease", suite, now)

    threads = [threading.Thread(target=ask, args=(number,), daemon=True) for number in range(len(bases))]
    for thread in threads:
        thread.start()
    end = time.monotonic() + PATIENCE
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    silent = "it does not answer; the store and the cache still work"
    return [findings.get(n) or CheckResult("mirror", WARNING, f"{base.url}: {silent}") for n, base in enumerate(bases)]


def _mirror(url: str, suite: str, now: float) -> CheckResult:
    from fpack.builders.debian.suites import show_date
    from fpack.builders.net.http import Http
    from fpack.store.settings import MAX_INDEX_AGE

    try:
        with Http(timeout=TIMEOUT, retries=0).open(url) as response:
            head = next(response.chunks(), b"")
    except FpackError as error:
        return failed("mirror", error, WARNING)
    date, until = _field(head, b"Date"), _field(head, b"Valid-Until")
    if date is None:
        return CheckResult("mirror", WARNING, f"{url} is not a signed index of Debian")
    if date > now + DAY:
        text = f"{url} is dated {show_date(date)}, but this machine's clock says {show_date(int(now))}"
        return CheckResult("mirror", PROBLEM, text, "set this machine's clock")
    if until is None and (limit := MAX_INDEX_AGE.find()) is not None and date < now - limit * DAY:
        text = f"{url} is dated {show_date(date)} and has no expiry date: the mirror may be out of date"
        return CheckResult("mirror", WARNING, text, f"use another mirror, --accept-expired, or {MAX_INDEX_AGE.names}")
    if until is not None and until < now:
        text = f"{url} expired on {show_date(until)}: the mirror is out of date, or this machine's clock is ahead"
        return CheckResult("mirror", WARNING, text, "use another mirror, or --accept-expired")
    return CheckResult("mirror", OK, f"{url.partition('/dists/')[0]} has {suite} of {show_date(date)[:10]}")


def _field(head: bytes, name: bytes) -> int | None:
    """Return a date in the head of a signed index, or None."""
    import re
    from email.utils import parsedate_to_datetime

    match = re.search(rb"^" + name + rb":[ \t]*(.+)$", head, re.MULTILINE)
    try:
        return int(parsedate_to_datetime(match[1].decode()).timestamp()) if match else None
    except (ValueError, TypeError):
        return None


def keyring(now: float) -> CheckResult:
    """Check the keys that verify Debian's archive."""
    from fpack.builders.debian.signatures import SHIPPED, find_keyring, valid_certificates

    try:
        path = find_keyring()
        valid, count = valid_certificates(path, now)
    except FpackError as error:
        return failed("keyring", error)
    if not count:
        return CheckResult("keyring", PROBLEM, f"{path} has no keys", "install debian-archive-keyring")
    whose = "fpack's own" if path == SHIPPED else str(path)
    if not valid:
        return CheckResult("keyring", PROBLEM, f"all keys of {whose} have expired", "install debian-archive-keyring")
    old = f", {count - valid} of which expired or were revoked" if valid < count else ""
    return CheckResult("keyring", OK, f"{whose}, {count} {'key' if count == 1 else 'keys'}{old}")


def lock(workspace: Workspace, now: float) -> Iterator[CheckResult]:
    """Check the age of the lock, and whether the locked indexes have expired."""
    from fpack.cli.ui.render import short

    try:
        path = workspace.lock_file
        pins = workspace.read_lock().suites.values()
    except FpackError as error:
        yield failed("lock", error)
        return
    if not pins:
        yield CheckResult("lock", OK, f"{short(path)} is empty or does not exist yet")
        return
    age = max(0, int((now - max(pin.date for pin in pins)) // DAY))
    text = f"{short(path)}, of {age} {'day' if age == 1 else 'days'} ago"
    if age > OLD:
        yield CheckResult("lock", WARNING, f"{text}: it lacks later security updates", "fpack update")
    else:
        yield CheckResult("lock", OK, text)
    expired = sorted(pin.suite for pin in pins if pin.until is not None and pin.until < now)
    if expired:
        text = f"the locked indexes of {', '.join(expired)} have expired"
        yield CheckResult("lock", WARNING, text, "fpack update; locked packages can still be packed")


def clock(workspace: Workspace, now: float) -> CheckResult:
    """Check the time: neither fpack's files nor the lock may be from the future."""
    from fpack.builders.debian.suites import show_date

    known: Sequence[float] = [Path(__file__).stat().st_mtime]
    try:
        known = [*known, *(pin.date for pin in workspace.read_lock().suites.values())]
    except FpackError:
        pass  # reported by the check of the lock
    latest = max(known)
    if latest > now + DAY:
        text = f"the clock says {show_date(int(now))}, but fpack or the lock is dated {show_date(int(latest))}"
        return CheckResult("clock", PROBLEM, text, "set this machine's clock: signatures and expiry dates depend on it")
    return CheckResult("clock", OK, show_date(int(now)))
