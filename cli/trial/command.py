"""Run `fpack try` after its options were parsed."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, NamedTuple

from fpack.cli.paths import cache_directory
from fpack.cli.shared_options import SharedOptions
from fpack.cli.ui.render import counted, note
from fpack.cli.workspace import machine
from fpack.cli.workspace.error_context import naming_option
from fpack.cli.workspace.package_lookup import Packages
from fpack.cli.workspace.workspace import Workspace
from fpack.store.errors import FpackError, one_line

from . import closure, runner
from .container import PlannedTrial, plan
from .findings import TrialFinding, find, is_searched
from .model import TrialEnd
from .ports import PortMap
from .subject import ELSEWHERE, TrialSubject, opened

_HTTP = ("80", "8000", "8080")  # ports of servers that a browser opens
_MOST_PORTS = 5  # in a message
_MOST_LOOKUPS = 1000  # in the index of files
_REMEMBERED = 600  # seconds for which a failure to fetch that index is remembered


class TrialFacts(NamedTuple):
    """A command that ended. unobserved: why there are no findings, or "". packed: fpack packed the image."""

    status: int
    findings: list[TrialFinding]
    unobserved: str
    packed: bool = True

    def as_json(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return {
            "status": self.status,
            "missing": [finding.as_json() for finding in self.findings],
            "unobserved": self.unobserved or None,
        }


def attempt(what: str | None, command: Sequence[str], options: SharedOptions, observe: bool, aside: bool) -> TrialFacts:
    """Run the command of an image, which is built or read. aside: its standard output goes to standard error."""
    with Workspace(options) as workspace:
        machine.needs_emulator(workspace.arch, "The image", ELSEWHERE)  # before anything is fetched
        with opened(workspace, what) as subject:
            with naming_option(options.fields):
                planned = plan(subject.name, subject.config, subject.files, command, os.environ)
            trial = planned.trial._replace(emulator=subject.emulator)
            if not command:
                _tell_ports(planned)
            with _aside() if aside else nullcontext():
                ended = runner.run(trial, observe)
            return TrialFacts(ended.status, findings(workspace, subject, ended), ended.unobserved, subject.packed)


def findings(workspace: Workspace, subject: TrialSubject, ended: TrialEnd) -> list[TrialFinding]:
    """Return the files that a command looked for in vain and that a package has."""
    if not ended.absent or not subject.release:
        return []
    return find(
        ended.absent,
        subject.closure(),
        subject.files.inside.files,
        lambda: closure.drop_rules(workspace),
        lambda paths: _packages_with(workspace, subject.release, paths, fetch=ended.failed),
        subject.linked,
        ended.succeeded,
    )


def _tell_ports(planned: PlannedTrial) -> None:
    if ports := planned.ports:
        more = f" and {counted(len(ports) - _MOST_PORTS, 'more port')}" if len(ports) > _MOST_PORTS else ""
        places = ", ".join(_address(port, planned.trial.ports) for port in ports[:_MOST_PORTS])
        note(f"The program uses this machine's network. It should listen on {places}{more}. Ctrl-C ends it.")


def _address(port: str, known: PortMap) -> str:
    """Return where a user reaches a port such as 8080/tcp."""
    text, _, protocol = port.partition("/")
    number = known.outside(int(text))
    if protocol == "tcp":
        return f"http://localhost:{number}" if text in _HTTP else f"localhost:{number}"
    return f"localhost:{number} ({protocol})"


@contextmanager
def _aside() -> Iterator[None]:
    """Let standard output be standard error meanwhile."""
    sys.stdout.flush()
    before = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(before, 1)
        os.close(before)


def _packages_with(
    workspace: Workspace, release: str, paths: Sequence[str], fetch: bool
) -> Mapping[str, Sequence[str]]:
    """Return the packages of a release that have each path.

    fetch: fetch the index if the cache lacks it and a program or library is missing. A failure is remembered for some
    minutes, so that each of several attempts does not wait for the network, unless --mirror names another server.
    """
    packages = Packages(workspace, release)
    failed = cache_directory() / "debian" / f"{release}-{packages.arch}.contents-failed"
    try:
        index = packages.cached_contents()
        if index is None and fetch and any(map(is_searched, paths)):
            if not workspace.options.mirror and _is_recent(failed):
                note("Debian's index of files could not be fetched some minutes ago; fpack search --file tries again")
                return {}
            index = packages.contents
    except FpackError as error:
        with suppress(OSError):
            failed.touch()
        told = "; ".join(part for part in (error.what, error.why, error.hint) if part)
        note(f"Debian's index of files cannot be read, so its other packages are not considered: {one_line(told)}")
        return {}
    if index is None:
        return {}
    chosen = sorted(paths, key=lambda path: not is_searched(path))[:_MOST_LOOKUPS]
    return {path: found for path in chosen if (found := index.at(path))}


def _is_recent(path: Path) -> bool:
    """Return whether a file was changed in the last minutes."""
    try:
        return 0 <= time.time() - path.stat().st_mtime < _REMEMBERED
    except OSError:
        return False


def describe(tried: TrialFacts) -> Iterator[str]:
    """Yield the lines about files that the command looked for and that are not in the image."""
    if tried.unobserved:
        yield f"The files that the program looked for could not be observed: {tried.unobserved}"
    if not tried.findings:
        return
    yield "The program looked for files that are not in the image:"
    for finding in tried.findings:
        more = f" and {len(finding.paths) - 1} more" if len(finding.paths) > 1 else ""
        reason = _REASONS[finding.kind].format(finding.package)
        if not tried.packed:
            advice = ""
        elif finding.line:
            advice = "; this line of a container { } in fpack.fp adds it:"
        else:
            advice = " by a rule of the container" if finding.kind == "dropped" else "; add it to `packages`"
        yield f"  {one_line(finding.paths[0])}{more}: {reason}{advice}"
        if finding.line and tried.packed:
            yield f"    {one_line(finding.line)}"


_REASONS = {"dropped": "dropped from {}", "left out": "in {}, which is left out", "package": "in Debian's {}"}
