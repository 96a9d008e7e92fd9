"""Try the projects of a list, and write the table of docs/corpus.md.

    python tests/corpus/run.py WORK                        all of projects.toml
    python tests/corpus/run.py WORK --only yamllint --only irssi
    python tests/corpus/run.py WORK --list further.toml
    python tests/corpus/run.py WORK --table                only print the table of the results so far
    python tests/corpus/run.py WORK --document             write docs/corpus.md from the results so far

The directory WORK keeps fpack's store, the archives, and the results as lines of JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parent.parent / "docs/corpus.md"
sys.path.insert(0, str(HERE.parent))

from corpus import table  # noqa: E402
from corpus.projects import SECTIONS, read  # noqa: E402
from corpus.trial import Corpus, Result  # noqa: E402


def latest(results: Path) -> dict[str, Result]:
    """Return the last result of each project."""
    lines = results.read_text().splitlines() if results.exists() else []
    return {result["name"]: result for result in map(json.loads, lines)}


def main() -> None:
    """Try the projects that are asked for."""
    parser = argparse.ArgumentParser(description="Try public projects with fpack.")
    parser.add_argument("work", type=Path)
    parser.add_argument("--list", default="projects.toml", help="a list beside this program")
    parser.add_argument("--only", action="append", default=[], metavar="NAME")
    parser.add_argument("--kind", action="append", default=[])
    parser.add_argument("--new", action="store_true", help="try only those without a result")
    parser.add_argument("--program", type=Path, help="the command of fpack; by default that beside this Python")
    parser.add_argument("--table", action="store_true", help="only print the table")
    parser.add_argument("--document", action="store_true", help="only write docs/corpus.md")
    options = parser.parse_args()
    work = options.work.resolve()
    projects = read(HERE / options.list)
    results = work / f"{Path(options.list).stem}.jsonl"
    if options.document:
        found = [(read(HERE / f"{name}.toml"), latest(work / f"{name}.jsonl")) for name in SECTIONS]
        DOCUMENT.write_text(table.document(found, DOCUMENT.read_text()))
    elif not options.table:
        before = latest(results) if options.new else {}
        corpus = Corpus(work, options.program and options.program.resolve())
        for project in projects:
            unwanted = (options.only and project.name not in options.only) or project.name in before
            if unwanted or (options.kind and project.kind not in options.kind):
                continue
            result = corpus.attempt(project)
            with open(results, "a") as file:
                file.write(json.dumps(result) + "\n")
            outcome = "works" if result["works"] else f"{result['step']}: {table.reason(result['what'])}"
            print(f"{project.kind:15} {project.name:24} {result['seconds']:4} s  {outcome}", flush=True)
    else:
        print(table.render(projects, latest(results)), end="")


if __name__ == "__main__":
    main()
