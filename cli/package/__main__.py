"""Run fpack by `python -m fpack`. This file is installed as fpack/__main__.py, by a line of pyproject.toml."""

from __future__ import annotations

import sys

if not sys.flags.safe_path:
    del sys.path[0]  # the working directory, which may be a stranger's

from fpack.cli.main import run

run()
