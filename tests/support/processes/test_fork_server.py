"""Commands in forks of a process that has imported fpack."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from support.processes.fork_server import ForkServer


def test_the_server_goes_on_after_a_command_that_did_not_end_in_time(tmp_path: Path) -> None:
    server = ForkServer(())
    env = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "FPACK_ROOT": str(tmp_path / "store")}
    endless = "all(range(1000000), a => all(range(1000000), b => a + b >= 0))"
    assert server.run(["--version"], tmp_path, env, 120).returncode == 0
    for seconds in (0.5, 0.0):  # the second one before the server has read its request
        with pytest.raises(subprocess.TimeoutExpired):
            server.run(["eval", "-e", endless], tmp_path, env, seconds)
    assert server.run(["--version"], tmp_path, env, 120).returncode == 0
    assert server.is_alive
