"""The table of the corpus: docs/corpus.md."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from corpus.projects import CorpusProject
from corpus.trial import STEPS

_LINE = 160
# What says most, best first: the errors of compilers and linkers, of configuration, of other tools, of fpack.
_ERRORS = (
    re.compile(r"fatal error: |: error: |undefined reference|cannot find -l"),
    re.compile(r"^(configure: error|.*: not found|(\w+\.)*\w*(Error|Unavailable|Exception):|.* are required)"),
    re.compile(r"^(CMake Error|.*ERROR[: ]|npm (error|ERR)|make.*\*\*\*)"),
    re.compile(r"^(exit status \d+: )?error: (?!.* failed in its phase)"),
)


_INTRODUCTION = """\
# Public projects, unedited

What `fpack init`, `build`, `pack` and a run of the image make of public projects that were not picked because they
work. `tests/corpus/projects.toml` has the list, with the rule of the choice, the digest of each source and what shows
that the project works. `tests/corpus/run.py WORK` tries them and `--document` writes this page; `pytest -m corpus`
fails where a project that worked does not. Seconds are on a busy machine with two cores and include downloads. `edits`
is the number of changes to `fpack.fp` that a person had to make, or `fix` if the build failed and `fpack fix` added
what it lacked; `fix --no-check`, which a failed test's hint names, leaves out the project's tests. `fpack lock` runs
where `fpack init` names it; Debian's packages, under the versions that are asked for, stand in for Maven's central
repository where that cannot be reached. A library has a package and no image: it is loaded, or its files are there. A
row without figures was not tried.

"""
_FURTHER = """
## Ten more

Drawn after the work was done, by the same rule. When they were tried first, nothing had been changed for them, and
kmod, heartbleeder and jupyter-server failed; what these showed was changed since.

"""
_DRAWN = """
## Ten of another draw

Drawn later, by `tests/corpus/draw.py` from the same pools, one of each kind. When they were tried first, nothing had
been changed for them; six worked and four failed. jgrep was tried again, since the list had another exit status than
its `--help` has. bsd-mailx needs BSD's make. pcsc-lite works, but the build system that was chosen, autoconf, has an
older version than Meson's. freetype-py opens a library of the system by its name alone. azurite writes to its working
directory, which was `/`. What these showed was changed since.

"""
_SECOND_DRAW = """
## Ten of a second draw

Drawn later by the same program. When they were tried first, nothing had been changed for them, and two worked, pyhmmer
and jayson. mc was built, and said nothing without TERM, which a run without a terminal lacks. net-tools asks questions
in a step of its Makefile, and what depends on the answers is made at the same time. weechat asks for PHP's library for
embedding, in words that name no file. lxcfs names a module of Python that it lacks, in words that were not known then.
antlr4 asks for a plugin of Maven that Debian does not have. j2cli imports pkg_resources and does not say so, and a
module that Python 3.12 removed. jcodemunch-mcp has a lock with a release of certifi that the package registry has
withdrawn. node-pre-gyp reads a package.json in its working directory before it says anything. What these showed was
changed since, and mc, net-tools, weechat, lxcfs, j2cli, jcodemunch-mcp and node-pre-gyp were tried again; of net-tools
the list had another exit status than its `--version` has.

"""
_THIRD_DRAW = """
## Ten of a third draw

Drawn later by the same program. This is how it went at the first try, with nothing changed for them, on a machine with
a load of about 20; devweb alone was tried again, since the list had another word than its usage has, and
webpack-bundle-analyzer was tried later, at a load of about 7, in the place of one before it in the draw. zip has
a Makefile in a directory for each system, and none at the top. plymouth asks git for its version. openapi-generator-cli
runs Java, which its image lacks.

"""
_FOURTH_DRAW = """
## Ten of a fourth draw

Drawn later by the same program. This is how it went at the first try, with nothing changed for them, on a machine with
a load of about 28; tao and metro-symbolicate alone were tried again, since the list had other words than their usage
has. llama-stack has several commands, none of which is called like it, and the first by name is a script of another
purpose; what this showed was changed since. open-iscsi was tried again too, since a second run disturbed the first. The
images of putty and open-iscsi say their version, but run testcrypt and iscsi-iname, which are not their main programs.

"""
_JAVA = """
## Three of Maven and one of Gradle

Libraries that were chosen for what `fpack lock` has to find, and not drawn. Of three, only the whole time was kept.
Debian's Gradle builds reactive-streams, which has no wrapper.

"""


def document(lists: Sequence[tuple[Sequence[CorpusProject], Mapping[str, Mapping[str, Any]]]], before: str = "") -> str:
    """Return docs/corpus.md, of the projects and the results of projects.toml and of each further list.

    before: the document until now, whose section of a list stays if nothing of the list was tried.
    """
    sections = []
    heads = (_INTRODUCTION, _FURTHER, _DRAWN, _SECOND_DRAW, _THIRD_DRAW, _FOURTH_DRAW, _JAVA)
    for head, (projects, results) in zip(heads, lists, strict=True):
        start = before.find(head)
        end = before.find("\n## ", start + 1)
        known = before[start : end if end >= 0 else None] if start >= 0 else ""
        sections.append(head + render(projects, results) if results or not known else known)
    return "".join(sections)


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
