"""Share among the workers of a parallel run what one of them has made."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from typing import Any

import pytest


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[], Any]) -> Any:
    """Return what `make` returns, a value of JSON. The first worker of a run that asks makes it, and others wait.

    name: of the value in this run. If `make` fails, the next worker that asks tries again.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return make()
    path = factory.getbasetemp().parent / f"{name}.json"  # of the run: each worker has a folder in it
    with open(path, "a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        if text := file.read():
            return json.loads(text)
        value = make()
        json.dump(value, file)
        return value
