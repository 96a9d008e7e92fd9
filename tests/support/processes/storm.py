"""Run commands of fpack in many processes at once: `python storm.py SECONDS PROCESSES SEED`, with a plan as JSON.

The plan, on standard input, is {"homes": [directories], "env": {}, "commands": [[weight, words]]}. Each process works
in one of the homes, and chooses its next command at random until the time is over. A word {N} of a command stands for a
random number below N. The result, on standard output, is a list of [words, status, seconds, errors] of the commands
that failed, and the number of all commands by verb.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import sys
import tempfile
import time
from typing import Any, NoReturn

PATIENCE = 180.0  # seconds after which a command counts as stuck


def main() -> None:
    """Start the processes, and collect what they found."""
    seconds, processes, seed = float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    plan = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as directory:
        import_all(plan, f"{directory}/modules")
        end = time.monotonic() + seconds
        children = []
        for number in range(processes):
            child = os.fork()
            if not child:
                work(plan, number, random.Random(seed * 1000 + number), end, f"{directory}/{number}")
            children.append(child)
        for child in children:
            os.waitpid(child, 0)
        failed: list[Any] = []
        counts: dict[str, int] = {}
        for number in range(processes):
            with open(f"{directory}/{number}", encoding="utf-8") as file:
                found = json.load(file)
            failed += found["failed"]
            for verb, count in found["counts"].items():
                counts[verb] = counts.get(verb, 0) + count
    json.dump({"failed": failed, "counts": counts}, sys.stdout)


def import_all(plan: dict[str, Any], modules: str) -> None:
    """Import what the commands import, by running each once. modules: a file for their names."""
    import importlib

    for _, words in plan["commands"]:
        child = os.fork()
        if not child:
            run(plan, plan["homes"][0], filled(words, random.Random(0)), os.devnull, modules)
        os.waitpid(child, 0)
        if os.path.exists(modules):
            with open(modules, encoding="utf-8") as file:
                for name in json.load(file):
                    try:
                        importlib.import_module(name)
                    except Exception:
                        continue


def work(plan: dict[str, Any], number: int, chance: random.Random, end: float, result: str) -> NoReturn:
    """Run commands until the time is over."""
    home = plan["homes"][number % len(plan["homes"])]
    weights = [weight for weight, _ in plan["commands"]]
    failed: list[Any] = []
    counts: dict[str, int] = {}
    while time.monotonic() < end:
        words = filled(chance.choices([words for _, words in plan["commands"]], weights)[0], chance)
        begun = time.monotonic()
        child = os.fork()
        if not child:
            run(plan, home, words, result + ".err", "")
        status = wait(child)
        taken = time.monotonic() - begun
        counts[words[0]] = counts.get(words[0], 0) + 1
        with open(result + ".err", encoding="utf-8", errors="replace") as file:
            errors = file.read()
        if status or "Traceback" in errors:
            failed.append([words, status, taken, errors[-3000:]])
    with open(result, "w", encoding="utf-8") as file:
        json.dump({"failed": failed, "counts": counts}, file)
    os._exit(0)


def wait(child: int) -> int | str:
    """Wait for a command. Kill one that is stuck, after it has written where its threads are."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGUSR1)
    time.sleep(1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "stuck"


def filled(words: list[str], chance: random.Random) -> list[str]:
    """Replace {N} in the words by a random number."""
    return [re.sub(r"\{(\d+)\}", lambda found: str(chance.randrange(int(found[1]))), word) for word in words]


def run(plan: dict[str, Any], home: str, words: list[str], errors: str, modules: str) -> NoReturn:
    """Run a command in this process, and end."""
    import faulthandler

    os.environ.clear()
    os.environ.update(plan["env"])
    os.chdir(home)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 2)
    os.dup2(2, 1)
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    if modules:
        leave = os._exit

        def noted(status: int) -> NoReturn:
            with open(modules, "w", encoding="utf-8") as file:
                json.dump(sorted(sys.modules), file)
            leave(status)

        os._exit = noted
    try:
        from fpack.cli.main import run as command

        sys.argv = ["fpack", *words]
        command()
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(99)


if __name__ == "__main__":
    main()
