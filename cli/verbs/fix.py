"""`fpack fix`: build, add what the build lacks to fpack.fp, and build again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from fpack.cli import options as shared


@click.command(
    "fix",
    epilog="""\b
Examples:
  fpack fix                             the packages of ./fpack.fp
  fpack fix app                         one of them
  fpack fix --no-check                  and leave out tests that fail in the sandbox
  fpack fix --json""",
)
@click.argument("names", nargs=-1, metavar="[WHAT]...")
@click.option("--no-check", is_flag=True, help="Set `check = null` for a package whose tests fail.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.building
def command(names: tuple[str, ...], no_check: bool, as_json: bool, **rest: Any) -> int:
    """Build the packages of fpack.fp, and add what a build lacks until all are built.

    If the log of a failed build names a missing header, library, program, pkg-config module, CMake package, or module
    of Python or Perl, its Debian package is added to `libs` or `tools` in the file, and the build is tried again, until
    it succeeds or nothing is known to help. The file's formatting is kept.

    Before the first build, the build system itself is asked for its programs, libraries and tests, in the sandbox of
    the build, and the file is corrected by its answer.
    """
    from fpack.cli.errors import UsageError
    from fpack.cli.init.fix.fixer import Fixer
    from fpack.cli.init.fix.outcome import tell
    from fpack.cli.paths import PROJECT_FILE
    from fpack.cli.ui.render import note
    from fpack.cli.workspace.target import find_project

    project = find_project(Path.cwd())
    if project is None:
        raise UsageError(f"There is no {PROJECT_FILE} here", hint="fpack init writes one for an existing project")
    outcome = Fixer(project, shared.options(rest), note, no_check=no_check).run(names)
    if as_json:
        shared.print_json(
            {
                "built": {name: str(path) for name, path in outcome.paths.items()},
                "steps": [
                    step._asdict() | {"package": step.package or None, "lines": list(step.lines)}
                    for step in outcome.steps
                ],
                "targets": {
                    name: {"programs": found.programs, "library": found.libraries, "tests": found.tests}
                    for name, found in outcome.targets.items()
                },
                "reason": outcome.reason or None,
            }
        )
        return 1 if tell(outcome) else 0
    error = tell(outcome)
    if error is not None:
        raise error
    for path in outcome.paths.values():
        print(path)
    return 0
