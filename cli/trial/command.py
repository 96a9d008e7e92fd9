"""Run `fpack try` after its options were parsed."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from fpack.builders.oci.image_record import read as read_record
from fpack.builders.verify import documents
from fpack.cli.errors import UsageError
from fpack.cli.options import SharedOptions
from fpack.cli.paths import cache_directory
from fpack.cli.ui.render import note
from fpack.cli.workspace import containers
from fpack.cli.workspace.error_context import naming_option
from fpack.cli.workspace.package_lookup import Packages
from fpack.cli.workspace.target import find_image
from fpack.cli.workspace.workspace import Workspace
from fpack.store import derivation
from fpack.store.errors import FpackError, one_line

from . import closure, machine, runner, tree
from .container import Planned, changed, plan
from .findings import ClosurePackage, TrialFinding, find, is_searched
from .model import Ended
from .ports import PortMap

_HTTP = ("80", "8000", "8080")  # ports of servers that a browser opens
_MOST_PORTS = 5  # in a message
_MOST_LOOKUPS = 1000  # in the index of files
_REMEMBERED = 600  # seconds for which a failure to fetch that index is remembered


class Tried(NamedTuple):
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


class _Subject(NamedTuple):
    """An image to run. config: the settings that runtimes apply.

    release: the release of Debian whose index of files tells which packages have a file; "" if there is none. linked:
    the image has only the files that others load. closure: returns the packages that it may take files from.
    """

    name: str
    config: Mapping[str, Any]
    files: tree.ImageFiles
    release: str
    linked: bool
    closure: Callable[[], Sequence[ClosurePackage]]
    packed: bool = True


def attempt(what: str | None, command: Sequence[str], options: SharedOptions, observe: bool, aside: bool) -> Tried:
    """Run the command of an image, which is built or read. aside: its standard output goes to standard error."""
    with Workspace(options) as workspace:
        machine.check(workspace.arch)
        path = find_image(what, Path.cwd())
        with nullcontext(_built(workspace, what)) if path is None else _unpacked(workspace, path) as subject:
            with naming_option(options.fields):
                planned = plan(subject.name, subject.config, subject.files, command, os.environ)
            if not command:
                _tell_ports(planned)
            with _aside() if aside else nullcontext():
                ended = runner.run(planned.trial, observe)
            return Tried(ended.status, _findings(workspace, subject, ended), ended.unobserved, subject.packed)


def _findings(workspace: Workspace, subject: _Subject, ended: Ended) -> list[TrialFinding]:
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


def _built(workspace: Workspace, what: str | None) -> _Subject:
    """Build the image of a target."""
    container = containers.container(workspace, workspace.target(what))
    with naming_option(workspace.options.fields):
        image, root = workspace.realise([container.image, container.root])
    store = workspace.store
    store.used([image], workspace.project_name, f"{container.name}/{workspace.arch}")
    workspace.finish()
    record = read_record(store.tree(image))
    made = derivation.decode(workspace.evaluator.derivations[container.root.derivation])
    return _Subject(
        str(record.fields["name"]),
        json.loads(record.config).get("config", {}),
        tree.read(store, record),
        str(made.args["release"]),
        made.args["mode"] == "linked",
        lambda: closure.packages(workspace, made, root),
    )


@contextmanager
def _unpacked(workspace: Workspace, path: Path) -> Iterator[_Subject]:
    """Unpack the image of a file or an OCI layout, and delete its files at the end of the context."""
    from fpack.cli.images import image_file
    from fpack.store.files.remove import remove_tree

    from .unpack import unpack

    fields = workspace.options.fields
    if "configure" in fields:
        raise UsageError("--no-configure does not apply to an image", why=f"{path} is built already")
    archive = image_file.opened(path)
    directory = workspace.store.session.fresh()
    try:
        wanted = workspace.arch
        image = image_file.choose(archive, path, lambda image: image_file.arch(image) == wanted, wanted)
        reader = image_file.manifest(image) if image.data is not None else None
        files, left_out = unpack(archive, image, directory)
        if left_out:
            note(f"The sandbox has no devices and pipes of the image, such as {one_line(', '.join(left_out))}")
        made = closure.root_of(reader) if reader is not None else None
        known: Callable[[], Sequence[ClosurePackage]] = list
        if reader is not None and made is not None:
            known = partial(closure.packages_of, workspace.store, made, reader)
        yield _Subject(
            image.name or path.name,
            changed(documents.settings(image.configuration), fields),
            files,
            _release(made.args.get("release") if made is not None else _codename(files.text("etc/os-release"))),
            made is not None and made.args.get("mode") == "linked",
            known,
            reader is not None,
        )
    finally:
        archive.close()
        remove_tree(directory)


def _release(name: object) -> str:
    """Return the release that an image names; "" if fpack does not know it. It becomes part of a path."""
    from fpack.builders.debian.suites import ALL_RELEASES

    return name if isinstance(name, str) and name in ALL_RELEASES else ""


def _codename(text: str) -> str:
    """Return the release of Debian or Ubuntu that an os-release file names; "" if there is none."""
    lines = text.replace('"', "").splitlines()
    names = [line.removeprefix("VERSION_CODENAME=") for line in lines if line.startswith("VERSION_CODENAME=")]
    return names[0] if {"ID=debian", "ID=ubuntu"}.intersection(lines) and names else ""


def _tell_ports(planned: Planned) -> None:
    if ports := planned.ports:
        more = f" and {len(ports) - _MOST_PORTS} more ports" if len(ports) > _MOST_PORTS else ""
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
        if not tried.packed:
            advice = ""
        elif finding.line:
            advice = "; this line of a container { } in fpack.fp adds it:"
        else:
            advice = " by a rule of the container" if finding.kind == "dropped" else "; add it to `packages`"
        yield f"  {one_line(finding.paths[0])}{more}: {reason}{advice}"
        if finding.line and tried.packed:
            yield f"    {one_line(finding.line)}"


_REASONS = {
    "dropped": "dropped from {}",
    "left out": "in {}, which is left out",
    "package": "in Debian's {}",
}
