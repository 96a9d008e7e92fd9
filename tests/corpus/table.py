"""The tables of docs/corpus.md; what the document says beside them is written in it by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from corpus.projects import CorpusProject
from corpus.trial import STEPS

_LINE = 160
_SECTION = re.compile(r"\n(?=## )")
_ROWS = "\n| kind |"
# What says most, best first: the errors of compilers and linkers, of configuration, of other tools, of fpack.
_ERRORS = (
    re.compile(r"fatal error: |: error: |undefined reference|cannot find -l"),
    re.compile(r"^(configure: error|.*: not found|(\w+\.)*\w*(Error|Unavailable|Exception):|.* are required)"),
    re.compile(r"^(CMake Error|.*ERROR[: ]|npm (error|ERR)|make.*\*\*\*)"),
    re.compile(r"^(exit status \d+: )?error: (?!.* failed in its phase)"),
)


def document(lists: Sequence[tuple[Sequence[CorpusProject], Mapping[str, Mapping[str, Any]]]], before: str) -> str:
    """Return docs/corpus.md with new tables of the lists of which something was tried.

    lists: the projects and the results of each section's list. before: the document until now. What a section says
    above its table is written there by hand, and stays.
    """
    sections = []
    for section, (projects, results) in zip(_SECTION.split(before), lists, strict=True):
        if results:
            text = section.partition(_ROWS)[0].rstrip("\n")
            section = f"{text}\n\n{render(projects, results)}"
        sections.append(section)
    return "\n".join(sections)


def render(projects: Sequence[CorpusProject], results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the table in Markdown, the counts, and what failed."""
    heads = ("kind", "project", "from", *STEPS, "edits", "seconds", "image, MB")
    rows = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    tried = [(project, results[project.name]) for project in projects if project.name in results]
    for project, result in tried:
        cells = [project.kind, f"{project.name} {project.version}", project.registry, *_steps(project, result)]
        cells += [
            str(result.get("edits") or (result.get("fixed") and f"`{result['fixed']}`" or 0)),
            str(result["seconds"]),
        ]
        cells.append(f"{result['size'] / 1e6:.1f}" if "size" in result else "")
        rows.append(f"| {' | '.join(cells)} |")
    for project in projects:
        if project.name not in results:
            rows.append(f"| {project.kind} | {project.name} {project.version} | {project.registry} |{' |' * 7}")
    good = [result for _, result in tried if result["works"]]
    edited = sum("edits" in result for result in good)
    fixed = sum(bool(result.get("fixed")) and "edits" not in result for result in good)
    counts = f"{len(good) - edited} work without an edit ({fixed} of them after `fpack fix`), and {edited} with edits"
    rows += ["", f"Of {len(tried)} projects, {counts}.", ""]
    for project, result in tried:
        failed = result if not result["works"] else result.get("unedited")
        if failed:
            rows.append(f"- {project.name}: {failed['step']}: `{reason(failed['what'])}`")
    return "\n".join(rows).rstrip() + "\n"


def _steps(project: CorpusProject, result: Mapping[str, Any]) -> list[str]:
    """Return a word for each step: its seconds if it went well, `fails`, or nothing if it was not reached."""
    failed = None if result["works"] else result["step"]
    cells = []
    for step in STEPS:
        seconds = result.get(f"{step}_seconds")
        cells.append("fails" if step == failed else "" if seconds is None else f"{seconds:.1f}")
    if project.library and result["works"]:
        cells[STEPS.index("pack")] = "library"
    return cells


def reason(what: str) -> str:
    """Return the line of a failure that says most: the first error of the build's log, else the last line."""
    lines = [line.strip() for line in what.partition("\n  try: ")[0].splitlines() if line.strip()]
    for pattern in _ERRORS:
        found = next((line for line in lines if pattern.search(line)), None)
        if found:
            break
    else:
        found = lines[-1] if lines else ""
    return found.replace("`", "'")[:_LINE]
