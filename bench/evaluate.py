"""Evaluate an attribute of a file, as a process that benchmarks time.

usage: evaluate.py FILE ATTRIBUTE CACHE [DATABASE]

CACHE: the directory of compiled files. DATABASE: a file to write the derivations to. With the variable FORGET in the
environment, the evaluation neither writes nor reads what is known of members of package sets from former evaluations.
"""

from __future__ import annotations

import gc
import os
import sys

from archive import Archive
from fpack.cli.main import COLLECT
from fpack.light_typing import Any

gc.set_threshold(*COLLECT)  # as fpack itself does, before it loads the evaluator

from fpack.lang.evaluator import Evaluator  # noqa: E402
from fpack.lang.runtime import deep_stack  # noqa: E402
from fpack.lang.runtime.limits import Limits  # noqa: E402
from fpack.lang.runtime.values import describe  # noqa: E402


def main(file: str, attribute: str, cache: str, database: str = "") -> None:
    """Print the value of the attribute; of a list of derivations, the number that was made for it, with their
    inputs."""
    limits = Limits.configured()  # those that fpack itself sets
    remembers = None if "FORGET" in os.environ else lambda: b"benchmark"
    evaluator = Evaluator(
        cache=cache, limits=limits, packages=Archive(), settings={"arch": "amd64"}, remembers=remembers
    )
    value = evaluator.select(evaluator.load(file), [attribute])
    if isinstance(value, list):
        deep_stack.run(lambda: all_derivations(evaluator, value), limits)
        print(len(evaluator.derivations))
        evaluator.remember()
    else:
        print(value)
    if database:
        from pathlib import Path

        from fpack.store.database import Database

        path = Path(database)
        path.parent.mkdir(parents=True)
        store = Database(path)
        store.add_derivations(evaluator.derivations)
        store.close()


def all_derivations(evaluator: Evaluator, values: list[Any]) -> None:
    """Evaluate a list of derivations, and so create them and their inputs."""
    for value in values:
        made = evaluator.force(value)
        if not (isinstance(made, dict) and made.get("type") == "derivation"):
            raise SystemExit(f"This is {describe(made)}, and no derivation")
        if made["out"].__class__ is not str:
            evaluator.force(made["out"])


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.stdout.flush()
    os._exit(0)  # as fpack itself ends
