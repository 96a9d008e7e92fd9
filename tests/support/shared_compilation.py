"""Let the workers of a parallel run import different test files first, so that each file is compiled once.

pytest rewrites the assertions of each test file, which takes longer than all else before the first test. Workers that
import the files in one order would all do so for each of them; a worker that comes to a file later loads the result.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from _pytest.pathlib import ImportMode, import_path
from support.attacks.attack_report import is_attack_module, without_attacks
from support.paths import TESTS


def import_share(config: pytest.Config) -> None:
    """Import this worker's share of all test files, if the run is of all of them and may write compiled files."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if count < 2 or not worker.isdecimal() or sys.dont_write_bytecode:
        return
    if [Path(config.invocation_params.dir, argument).resolve() for argument in config.args] != [TESTS]:
        return
    excluded = without_attacks(config)
    files = [file for file in sorted(TESTS.rglob("test_*.py")) if not (excluded and is_attack_module(file))]
    for file in files[int(worker) :: count]:
        try:
            import_path(file, mode=ImportMode.importlib, root=config.rootpath, consider_namespace_packages=False)
        except (Exception, pytest.skip.Exception):
            # It is told when the file is collected.
            for name in [name for name, module in sys.modules.items() if getattr(module, "__file__", "") == str(file)]:
                del sys.modules[name]
