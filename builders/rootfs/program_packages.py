"""Add the packages of process 1 and of the programs that a root's start script runs."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import NamedTuple

from fpack.builders.linking import linker, start_programs
from fpack.builders.linking.linker import LinkResult, Reason
from fpack.builders.linking.required_files import ASKED
from fpack.builders.payload import slice_table
from fpack.builders.payload.slice_table import SliceTable
from fpack.builders.protocol import Need, Task
from fpack.builders.services.start_script import SCRIPT, SHELL
from fpack.store.derivation import Output
from fpack.store.path import StorePath

from .candidates import PackageArgs, drive, outputs_of
from .service import INIT


class OfferedPackages(NamedTuple):
    """The packages that a root may have. linked: it has those alone that its files load. arch: Debian's."""

    slices: Sequence[PackageArgs]
    linked: bool
    arch: str


def with_init(
    task: Task, offered: OfferedPackages, found: LinkResult, runs: str
) -> Generator[Need, list[StorePath], LinkResult]:
    """Add the package of the minimal process 1. runs: the package of its program, or ""."""
    why = f"process 1, which runs the program{f' of {runs}' if runs else ''}"
    return (yield from _with_packages(task, offered, found, _lacking(task, offered, found, (INIT,)), why))


def _lacking(task: Task, offered: OfferedPackages, found: LinkResult, names: Sequence[str]) -> list[Output]:
    """Return the outputs of those packages that are candidates and not in the root."""
    outputs = outputs_of(task, {item.package: item for item in offered.slices}) if names else {}
    return [outputs[name] for name in names if name in outputs and name not in found.reasons]


def _with_packages(
    task: Task, offered: OfferedPackages, found: LinkResult, outputs: Sequence[Output], why: str
) -> Generator[Need, list[StorePath], LinkResult]:
    """Add packages that the root's program needs."""
    if not outputs:
        return found
    tables = [slice_table.load(task.tree(path)) for path in (yield Need(outputs))]
    reasons = {table.package: Reason(ASKED, None, "", why) for table in tables}
    return (yield from _including(task, offered, found, tables, reasons))


def with_programs(
    task: Task, offered: OfferedPackages, found: LinkResult, server: str, programs: Sequence[str]
) -> Generator[Need, list[StorePath], tuple[LinkResult, set[str]]]:
    """Add the packages of programs that the start script runs. Return also the packages that were searched.

    The result is `found` itself if no candidate has one of them.
    """
    items = {item.package: item for item in offered.slices}
    outputs = {name: output for name, output in outputs_of(task, items).items() if name not in found.reasons}
    depends = {name: item.depends for name, item in items.items()}
    searched: set[str] = set()
    steps = start_programs.find_packages(programs, SHELL, SCRIPT, outputs.keys(), depends, server)
    wanted = yield from _fetched(task, outputs, steps, searched)
    if not wanted:
        return found, searched
    if not offered.linked:
        wanted = yield from _fetched(task, outputs, start_programs.complete(wanted, outputs.keys(), depends), searched)
    tables = [table for table, _ in wanted.values()]
    reasons = {name: reason for name, (_, reason) in wanted.items()}
    return (yield from _including(task, offered, found, tables, reasons)), searched - reasons.keys()


def _fetched(
    task: Task,
    outputs: Mapping[str, Output],
    steps: Generator[list[str], list[SliceTable], dict[str, tuple[SliceTable, Reason]]],
    searched: set[str],
) -> Generator[Need, list[StorePath], dict[str, tuple[SliceTable, Reason]]]:
    """Run a search, and send it the packages that it requests. Add their names to `searched`."""
    try:
        names = next(steps)
        while True:
            searched.update(names)
            paths = yield Need([outputs[name] for name in names])
            names = steps.send([slice_table.load(task.tree(path)) for path in paths])
    except StopIteration as stop:
        found: dict[str, tuple[SliceTable, Reason]] = stop.value
        return found


def _including(
    task: Task, offered: OfferedPackages, found: LinkResult, tables: Sequence[SliceTable], reasons: Mapping[str, Reason]
) -> Generator[Need, list[StorePath], LinkResult]:
    """Add packages, and what they load in a linked root."""
    if offered.linked:
        # Nothing else may load their libraries.
        items = {item.package: item for item in offered.slices}
        depends = {name: item.depends for name, item in items.items()}
        linked, _ = yield from drive(task, items, linker.link([*found.tables, *tables], depends, (), offered.arch))
        more = {name: why for name, why in linked.reasons.items() if name not in found.reasons}
        return LinkResult(linked.tables, {**found.reasons, **more, **reasons}, found.missing)
    return LinkResult([*found.tables, *tables], {**found.reasons, **reasons}, found.missing)
