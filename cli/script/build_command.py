"""Build fpack with its library compiled, so that the first command on a new machine need not compile it.

setuptools runs this while it builds a wheel; it is not installed. The entries are for the interpreter that builds. If
they cannot be made, or another interpreter runs fpack, the first command compiles the library as before.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from setuptools.command.build_py import build_py


class BuildPython(build_py):
    """Copy the modules, and compile the library of the copy."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        made = Path(self.build_lib, "fpack", "compiled").absolute()
        command = [sys.executable, "-B", "-m", "fpack.cli.compile_library", str(made)]
        done = subprocess.run(command, cwd=self.build_lib, capture_output=True, text=True)
        if done.returncode:
            self.warn(f"the library is not compiled: {done.stderr.strip().splitlines()[-1:]}")
