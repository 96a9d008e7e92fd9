"""Check the installation: the settings, the caches, Debian's mirrors, the keyring, the lock and the clock."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fpack.store import DAY
from fpack.store.errors import FpackError

from .machine import OK, PROBLEM, WARNING, CheckResult, failed

if TYPE_CHECKING:
    from fpack.builders.debian.mirrors import Mirrors, MirrorUrl
    from fpack.cli.workspace.workspace import Workspace

OLD = 30  # days
TIMEOUT = 4.0  # seconds for one mirror
PATIENCE = 6.0  # seconds for all mirrors
MAX_MIRRORS = 8


def settings() -> CheckResult:
    """Check that the file of settings and the variables can be read."""
    from fpack.store.settings import SETTINGS, configuration_file

    try:
        changed = sum(setting.look_up().origin != "default" for setting in SETTINGS)
    except FpackError as error:
        return failed("settings", error)
    text = f"{changed} {'is' if changed == 1 else 'are'} set" if changed else "all have their defaults"
    return CheckResult("settings", OK, f"{text}; the file is {configuration_file()}")


def caches() -> Iterator[CheckResult]:
    """Check that the user's directories can be used: what others can change is not read."""
    from fpack.cli.paths import cache_home, state_directory
    from fpack.store.files.owners import danger

    for name, path, variable, effect in (
        ("cache", cache_home(), "XDG_CACHE_HOME", "nothing is cached, and every command is slow"),
        ("state", state_directory(), "XDG_STATE_HOME", "the lock of your user cannot be written"),
    ):
        try:
            why = danger(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            why = error.strerror or str(error)
        if why:
            hint = f"set HOME, or {variable}, to a directory of your own"
            yield CheckResult(name, WARNING, f"{path}: {why}; {effect}", hint)
        elif not os.access(path, os.W_OK | os.X_OK):
            yield CheckResult(
                name, WARNING, f"{path} cannot be written: {effect}", f"check its owner, or set {variable}"
            )


def mirrors(known: Mirrors, now: float) -> list[CheckResult]:
    """Check that each mirror answers, and how recent it is. All mirrors are asked at once."""
    from fpack.builders.debian.suites import SECURITY, STABLE, UBUNTU, UBUNTU_STABLE
    from fpack.store import threads

    bases = known.bases[:MAX_MIRRORS]
    if not bases:
        hint = "set one with FPACK_MIRROR, or in fpack/config.toml"
        return [CheckResult("mirrors", WARNING, "no mirror is known: files come from the slow snapshot archive", hint)]

    def ask(base: MirrorUrl) -> CheckResult:
        suite = {SECURITY: f"{STABLE}-security", UBUNTU: f"{UBUNTU_STABLE}-updates"}.get(base.archive, STABLE)
        return _mirror(f"{base.url}/dists/{suite}/InRelease", suite, now)

    jobs = [(base, threads.start(partial(ask, base), "mirror")) for base in bases]
    end = time.monotonic() + PATIENCE
    found = []
    for base, job in jobs:
        if job.wait(max(0.0, end - time.monotonic())):
            found.append(job.result())
        else:
            text = f"{base.url}: it does not answer; the store and the cache still work"
            found.append(CheckResult("mirror", WARNING, text))
    return found


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
        return CheckResult("mirror", WARNING, f"{url} is not a signed index of a distribution")
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


def keyring(now: float, archive: str = "debian") -> CheckResult:
    """Check the keys that verify an archive."""
    from fpack.builders.debian.signatures import SHIPPED, UBUNTU_SHIPPED, find_keyring, valid_certificates

    package = "ubuntu-keyring" if archive == "ubuntu" else "debian-archive-keyring"
    try:
        path = find_keyring(archive=archive)
        valid, count = valid_certificates(path, now)
    except FpackError as error:
        return failed("keyring", error)
    if not count:
        return CheckResult("keyring", PROBLEM, f"{path} has no keys", f"install {package}")
    whose = "fpack's own" if path in (SHIPPED, UBUNTU_SHIPPED) else str(path)
    if not valid:
        return CheckResult("keyring", PROBLEM, f"all keys of {whose} have expired", f"install {package}")
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
