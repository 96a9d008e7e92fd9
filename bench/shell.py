"""Time entering a warm shell and running `true`, beside bubblewrap alone, and beside the peers Nix and Guix.

    python bench/shell.py [--rounds N] [--peers DIRECTORY/enter] [--json FILE]

Each round runs each command once. The figures are milliseconds of whole processes: medians and minima of wall time, and
medians of processor time, which other programs on the machine disturb less. The peers run in a Debian root of their
own: `enter` is a script that runs its arguments there, where `DIRECTORY/shared` is /h. The time of `enter true` is
subtracted from their figures. Peers that do not run are left out, with their last message. The exit status is 1 if a
shell of fpack takes over LIMIT more than bubblewrap, both in wall time and in processor time.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

FPACK = str(Path(sys.executable).with_name("fpack"))
PACKAGE = "debian.trixie.jq"
LIMIT = 60.0  # milliseconds
BASE, ENTER = "bubblewrap alone", "enter alone"

# The cheapest shells that the peers can make: no set of packages is read, and the programs are those of the root. Nix's
# sandbox cannot see these, so it is switched off.
LEAST = 'derivation { name = "s"; builder = "/bin/sh"; system = builtins.currentSystem; }'
FLAKE = """\
{
  outputs = { self }: {
    devShells.x86_64-linux.default = derivation {
      name = "least"; system = "x86_64-linux"; builder = "/bin/bash"; args = [ "-c" ": > $out" ]; outputs = [ "out" ];
    };
  };
}
"""
DEVELOP = ("nix", "develop", "--offline", "--option", "sandbox", "false", "--option", "flake-registry", "")


class Times(NamedTuple):
    """Wall time and processor time of one run, in milliseconds."""

    wall: float
    cpu: float


def commands(peers: Path | None) -> dict[str, list[str]]:
    """Return the commands to compare, by name. peers: the script `enter`, or None."""
    bwrap = shutil.which("bwrap") or "bwrap"
    answer = subprocess.run([FPACK, "shell", "--print-env=json", PACKAGE], capture_output=True, text=True, check=True)
    found = {
        BASE: [bwrap, "--ro-bind", "/", "/", "--dev-bind", "/dev", "/dev", "true"],
        "python alone": [sys.executable, "-c", ""],
        "fpack shell": [FPACK, "shell", PACKAGE, "--", "true"],
        "fpack run": [FPACK, "run", PACKAGE, "--", "true"],
        "a shim": [f"{json.loads(answer.stdout)['path']}/jq", "--version"],
    }
    if peers is not None:
        enter = str(peers)
        found[ENTER] = [enter, "true"]
        _prepare(peers.parent / "shared" / "shells")
        nix_shell = ["env", "NIX_BUILD_SHELL=/bin/bash", "nix-shell", "--pure", "-E", LEAST, "--run", "true"]
        found["nix-shell, least"] = [enter, *nix_shell]
        found["nix develop, least"] = [enter, *DEVELOP, "path:/h/shells/flake", "-c", "true"]
        # `guix shell` enters a profile that was made before. It cannot make one here: its servers are not reachable.
        found["guix shell, least"] = [enter, "guix", "shell", "--profile=/h/shells/profile", "--", "true"]
        found["guix shell jq"] = [enter, "guix", "shell", "jq", "--", "true"]
    return found


def _prepare(folder: Path) -> None:
    """Write the peers' projects: a flake without inputs, and an empty profile of Guix."""
    (folder / "flake").mkdir(parents=True, exist_ok=True)
    (folder / "flake" / "flake.nix").write_text(FLAKE)
    (folder / "profile" / "etc").mkdir(parents=True, exist_ok=True)
    (folder / "profile" / "manifest").write_text("(manifest (version 4) (packages ()))\n")
    (folder / "profile" / "etc" / "profile").write_text("")


def once(words: list[str]) -> Times:
    """Run a command and return its times. Raise CalledProcessError if it fails."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(words, check=True, capture_output=True, timeout=60)
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Times(wall * 1000, (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000)


def measure(todo: dict[str, list[str]], rounds: int) -> dict[str, list[Times]]:
    """Run every command once a round. Return the times of each command.

    A failed run of a peer is left out: Guile sometimes fails.
    """
    times: dict[str, list[Times]] = {name: [] for name in todo}
    for _ in range(rounds):
        for name, words in todo.items():
            try:
                times[name].append(once(words))
            except subprocess.CalledProcessError:
                if not name.endswith("least"):
                    raise
    return {name: each for name, each in times.items() if each}


def summary(times: dict[str, list[Times]]) -> dict[str, dict[str, float]]:
    """Return the figures of each command, in milliseconds.

    median, least: of wall time. cpu: the median of processor time. over, cpu-over: how much more than bubblewrap that
    is. The time of `enter` is subtracted from the figures of peers.
    """
    found: dict[str, dict[str, float]] = {}
    less = Times(0, 0)
    for name, each in times.items():
        wall, cpu = (statistics.median(values) for values in zip(*each, strict=True))
        least = min(one.wall for one in each)
        found[name] = {"median": wall - less.wall, "least": least - less.wall, "cpu": cpu - less.cpu}
        if name == ENTER:
            less = Times(wall, cpu)  # all later commands are peers, which run in `enter`
    base = found[BASE]
    for each in found.values():
        each["over"], each["cpu-over"] = each["median"] - base["median"], each["cpu"] - base["cpu"]
    return found


def main() -> int:
    """Measure and print. Return 1 if a shell is too slow."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    # Python must keep the modules that it compiles, as in an installation.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    subprocess.run([FPACK, "shell", PACKAGE, "--", "true"], check=True)
    left_out: dict[str, str] = {}
    todo = commands(options.peers)
    for name, words in list(todo.items()):
        try:
            once(words)
        except (subprocess.SubprocessError, OSError) as error:
            said = getattr(error, "stderr", b"") or str(error).encode()
            left_out[name] = said.decode("utf-8", "replace").strip().rpartition("\n")[2]
            del todo[name]
    load = os.getloadavg()[0]
    found = summary(measure(todo, options.rounds))
    print(f"{options.rounds} rounds, load {load:.1f} to {os.getloadavg()[0]:.1f}")
    print(f"{'ms':20} {'median':>8} {'least':>8} {'CPU':>8} {'over bubblewrap':>16} {'of CPU':>8}")
    for name, each in found.items():
        print(f"{name:20} " + " ".join(f"{each[key]:8.1f}" for key in ("median", "least", "cpu")), end="")
        print(f" {each['over']:16.1f} {each['cpu-over']:8.1f}")
    for name, why in left_out.items():
        print(f"{name}: does not run here: {why}")
    if options.json:
        options.json.write_text(json.dumps({"load": load, "times": found, "left out": left_out}, indent=2) + "\n")
    slow = [
        name for name, each in found.items() if name.startswith("fpack") and min(each["over"], each["cpu-over"]) > LIMIT
    ]
    for name in slow:
        print(f"{name}: more than {LIMIT:.0f} ms over bubblewrap")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
