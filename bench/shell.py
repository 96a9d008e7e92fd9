"""How long it takes to enter a shell and run `true`, warm, beside bubblewrap alone and beside what others take.

    python bench/shell.py [--rounds N] [--peers DIRECTORY/enter]

Commands are run in turn, round by round; the figures are medians and minima of whole processes, in milliseconds. The
peers' programs run by way of `enter`, a script that runs its arguments in their root; those that do not run are left
out, with what they said.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

FPACK = str(Path(sys.executable).with_name("fpack"))
PACKAGE = "debian.trixie.jq"


def commands(peers: Path | None) -> dict[str, list[str]]:
    """What is compared, by name."""
    found = {
        "bubblewrap alone": [
            shutil.which("bwrap") or "bwrap",
            "--ro-bind",
            "/",
            "/",
            "--dev-bind",
            "/dev",
            "/dev",
            "true",
        ],
        "python alone": [sys.executable, "-c", ""],
        "fpack shell": [FPACK, "shell", PACKAGE, "--", "true"],
        "fpack run": [FPACK, "run", PACKAGE, "--", "true"],
    }
    shims = subprocess.run([FPACK, "shell", "--print-env=json", PACKAGE], capture_output=True, text=True, check=True)
    import json

    found["a shim"] = [f"{json.loads(shims.stdout)['path']}/jq", "--version"]
    if peers is not None:
        enter = str(peers)
        # The least that it takes: no package set is read, and the root's own bash is run.
        least = 'derivation { name = "s"; builder = "/bin/sh"; system = builtins.currentSystem; }'
        nix = ["env", "NIX_BUILD_SHELL=/bin/bash", "nix-shell", "--pure", "-E", least, "--run", "true"]
        found["nix-shell, least"] = [enter, *nix]
        found["guix shell"] = [enter, "guix", "shell", "jq", "--", "true"]
    return found


def once(words: list[str]) -> float:
    """Run a command; its time in milliseconds. CalledProcessError if it fails."""
    begun = time.perf_counter()
    subprocess.run(words, check=True, capture_output=True, timeout=60)
    return (time.perf_counter() - begun) * 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--peers", type=Path)
    options = parser.parse_args()
    # Compiled modules are kept, as in an installation.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    subprocess.run([FPACK, "shell", PACKAGE, "--", "true"], check=True)
    times: dict[str, list[float]] = {}
    left_out: dict[str, str] = {}
    todo = commands(options.peers)
    for name, words in list(todo.items()):
        try:
            once(words)
        except (subprocess.SubprocessError, OSError) as error:
            said = getattr(error, "stderr", b"") or str(error).encode()
            left_out[name] = said.decode("utf-8", "replace").strip().partition("\n")[0]
            del todo[name]
    for _ in range(options.rounds):
        for name, words in todo.items():
            times.setdefault(name, []).append(once(words))
    base = statistics.median(times["bubblewrap alone"])
    print(f"{'':20} {'median':>8} {'least':>8} {'over bubblewrap':>16}")
    for name, each in times.items():
        middle = statistics.median(each)
        print(f"{name:20} {middle:8.1f} {min(each):8.1f} {middle - base:16.1f}")
    for name, why in left_out.items():
        print(f"{name}: does not run here: {why}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
