"""Evaluate one file for the language server, in a separate process, because an evaluation may not terminate.

`python -m fpack.cli.interactive.evaluate_worker FILE` prints a JSON object: the errors of the file's fields, and
summaries of the other values. Nothing is fetched, and no lock is changed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from fpack.cli.ui.value_summary import brief
from fpack.lang.errors import EvalError
from fpack.store.errors import FpackError

LONGEST = 2000  # characters of a value
_OUTSIDE = (4, 5)  # exit codes of archive and network errors, which the text does not cause


def evaluate(file: Path) -> dict[str, Any]:
    """Return the errors of a file's fields, and summaries of its values."""
    from fpack.cli.shared_options import SharedOptions
    from fpack.cli.workspace.workspace import Workspace

    errors: list[dict[str, Any]] = []
    values: dict[str, str] = {}

    def report(error: FpackError) -> None:
        if not isinstance(error, EvalError) or error.exit_code in _OUTSIDE:
            return
        spans = [error.span, *(call.span for call in reversed(error.calls))]
        here = next((span for span in spans if Path(span.file).absolute() == file), None)
        if here is not None:
            errors.append({"span": list(here[1:5]), "message": error.what, "why": error.why, "hint": error.hint})

    with Workspace(SharedOptions(frozen=True)) as workspace:
        target = workspace.target(str(file))
        evaluator = workspace.evaluator
        try:
            record = evaluator.load(target.file or file)
        except FpackError as error:
            report(error)
            record = {}
        for name in list(record):
            try:
                values[name] = brief(evaluator, record[name])[:LONGEST]
            except FpackError as error:
                report(error)
    return {"errors": errors, "values": values}


if __name__ == "__main__":
    json.dump(evaluate(Path(sys.argv[1]).absolute()), sys.stdout)
