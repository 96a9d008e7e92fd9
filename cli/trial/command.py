"""Run `fpack try` after its options were parsed."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, NamedTuple

from fpack.builders.oci.image_record import read as read_record
from fpack.cli.options import SharedOptions
from fpack.cli.paths import cache_directory
from fpack.cli.ui.render import note, warn
from fpack.cli.workspace import containers
from fpack.cli.workspace.package_lookup import Packages
from fpack.cli.workspace.workspace import Workspace
from fpack.store import derivation
from fpack.store.errors import FpackError, one_line

from . import closure, machine, runner, tree
from .container import closed_ports, plan
from .findings import Finding, find, is_searched

_HTTP = ("80", "8000", "8080")  # ports of servers that a browser opens
_MOST_PORTS = 5  # in a message
_MOST_LOOKUPS = 1000  # in the index of files
_REMEMBERED = 600  # seconds for which a failure to fetch that index is remembered


class Tried(NamedTuple):
    """A command that ended. unobserved: why there are no findings, or ""."""

    status: int
    findings: list[Finding]
    unobserved: str

    def as_json(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return {
            "status": self.status,
            "missing": [finding.as_json() for finding in self.findings],
            "unobserved": self.unobserved or None,
        }


def attempt(what: str | None, command: Sequence[str], options: SharedOptions, observe: bool, aside: bool) -> Tried:
    """Build an image and run its command. aside: the command's standard output goes to standard error."""
    with Workspace(options) as workspace:
        machine.check(workspace.arch)
        container = containers.container(workspace, workspace.target(what))
        image, root = workspace.realise([container.image, container.root])
        store = workspace.store
        store.used([image], workspace.project_name, f"{container.name}/{workspace.arch}")
        workspace.finish()
        record = read_record(store.tree(image))
        files = tree.read(store, record)
        planned = plan(record, files, command, os.environ)
        if not command:
            _tell_ports(planned.ports)
        with _aside() if aside else nullcontext():
            ended = runner.run(planned.trial, observe)
        findings: list[Finding] = []
        if ended.absent:
            made = derivation.decode(workspace.evaluator.derivations[container.root.derivation])
            release = str(made.args["release"])
            findings = find(
                ended.absent,
                list(closure.packages(workspace, container, root)),
                files.inside.files,
                lambda: closure.drop_rules(workspace),
                lambda paths: _packages_with(workspace, release, paths, fetch=ended.failed),
                made.args["mode"] == "linked",
                ended.succeeded,
            )
        return Tried(ended.status, findings, ended.unobserved)


def _tell_ports(ports: Sequence[str]) -> None:
    if ports:
        more = f" and {len(ports) - _MOST_PORTS} more ports" if len(ports) > _MOST_PORTS else ""
        places = ", ".join(map(_address, ports[:_MOST_PORTS]))
        note(f"The program uses this machine's network. It should listen on {places}{more}. Ctrl-C ends it.")
    if closed := closed_ports(ports):
        first = min(closed)
        warn(
            f"The sandbox cannot open port {first}, because its root has no rights on this machine. "
            f"Allow it with: sysctl -w net.ipv4.ip_unprivileged_port_start={first}"
        )


def _address(port: str) -> str:
    """Return where a user reaches a port such as 8080/tcp."""
    number, _, protocol = port.partition("/")
    if protocol == "tcp":
        return f"http://localhost:{number}" if number in _HTTP else f"localhost:{number}"
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


def describe(tried: Tried) -> Iterator[str]:
    """Yield the lines about files that the command looked for and that are not in the image."""
    if tried.unobserved:
        yield f"The files that the program looked for could not be observed: {tried.unobserved}"
    if not tried.findings:
        return
    yield "The program looked for files that are not in the image:"
    for finding in tried.findings:
        more = f" and {len(finding.paths) - 1} more" if len(finding.paths) > 1 else ""
        reason = _REASONS[finding.kind].format(finding.package)
        if finding.line:
            advice = "; this line of a container { } in fpack.fp adds it:"
        else:
            advice = " by a rule of the container" if finding.kind == "dropped" else "; add it to `packages`"
        yield f"  {one_line(finding.paths[0])}{more}: {reason}{advice}"
        if finding.line:
            yield f"    {one_line(finding.line)}"


_REASONS = {
    "dropped": "dropped from {}",
    "left out": "in {}, which is left out",
    "package": "in Debian's {}",
}
