"""Try packages in fpack's image and in plain Debian, and write a table.

    python tests/packages/run.py                        all of packages.toml
    python tests/packages/run.py --list named.toml --only zsh --only fish --no-debian
    python tests/packages/run.py --table table.md       only write the table of the results so far

The work directory keeps fpack's store, podman's storage, Debian's roots, and the results as lines of JSON.
Needs podman, mmdebstrap, nsenter and root.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from packages import table  # noqa: E402
from packages.cases import PROGRAM, SERVER, Case, read  # noqa: E402
from packages.subjects import Debian, Failure, Fpack, Image  # noqa: E402
from support.processes.podman import Podman  # noqa: E402

Result = dict[str, Any]


class Harness:
    """podman, fpack's store and Debian's roots in one directory.

    debian, linked: whether these are tried and packed; store: instead of the one in the directory.
    """

    def __init__(
        self, work: Path, fpack: bool = True, debian: bool = True, linked: bool = True, store: Path | None = None
    ) -> None:
        self._work = work
        self._packs = fpack
        self._debian = debian
        self._linked = linked
        self._home = Path(tempfile.mkdtemp(prefix="podman-", dir=work))
        self._podman = Podman(self._home)
        self._fpack = Fpack(work / "fpack", store)
        self._roots: dict[str, Debian] = {}

    def close(self) -> None:
        """Remove podman's storage."""
        self._podman.close()
        subprocess.run(["rm", "-rf", self._home], check=False)

    def attempt(self, case: Case) -> Result:
        """Try one package."""
        result: Result = {"name": case.name, "kind": case.kind, "release": case.release}
        start = time.monotonic()
        if self._packs:
            result["fpack"] = self._in_fpack(case, result)
        if self._packs and self._linked and result["fpack"] != "pack":
            try:
                file = self._work / "linked.tar"
                _, result["linked"], _ = self._fpack.pack(case, file, "linked")
                file.unlink()
            except Failure as failure:
                result["linked_what"] = failure.what
        if self._debian:
            result["debian"] = self._in_debian(case, result)
        result["elapsed"] = round(time.monotonic() - start)
        return result

    def _in_fpack(self, case: Case, result: Result) -> str:
        image = None
        try:
            image = Image(self._podman, self._fpack, case, self._work / "share")
            result |= {"size": image.size, "line": image.line, "seconds": round(image.seconds, 1)}
            image.serve() if case.kind == SERVER else image.run_steps()
            return "works"
        except Failure as failure:
            result["fpack_what"] = failure.what
            return failure.kind
        finally:
            if image is not None:
                image.close()

    def _in_debian(self, case: Case, result: Result) -> str:
        try:
            if case.release not in self._roots:
                self._roots[case.release] = Debian(self._podman, self._work, case.release)
            with self._roots[case.release].install(case, self._work / "share") as installed:
                result["debian_size"] = installed.size()
                installed.serve() if case.kind == SERVER else installed.run_steps()
            return "works"
        except Failure as failure:
            result["debian_what"] = failure.what
            return failure.kind


def commit() -> str:
    """Return the last commit that changed fpack itself."""
    top = HERE.parent.parent
    rooms = ("store", "lang", "builders", "cli", "pkgs")
    shown = subprocess.run(
        ["git", "-C", top, "log", "-1", "--format=%h", "--", *rooms], capture_output=True, text=True, check=False
    )
    return shown.stdout.strip()


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the packages of a list; exit status 1 if one that works in Debian does not work in fpack's image."""
    parser = argparse.ArgumentParser(description="Try packages in fpack's image and in plain Debian.")
    parser.add_argument("--list", type=Path, default=HERE / "packages.toml")
    parser.add_argument("--only", action="append", metavar="NAME")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "fpack-packages")
    parser.add_argument("--no-debian", action="store_true", help="do not try plain Debian")
    parser.add_argument("--no-fpack", action="store_true", help="do not try fpack's image")
    parser.add_argument("--no-linked", action="store_true", help="do not measure linked images")
    parser.add_argument("--kind", choices=(PROGRAM, SERVER), help="only packages of this kind")
    parser.add_argument("--missing", action="store_true", help="only those without a result of what is tried")
    parser.add_argument("--table", type=Path, help="write the table of the results so far, and try nothing")
    parser.add_argument("--first", action="store_true", help="show the first result beside the last one in the table")
    options = parser.parse_args(arguments)
    listed = options.list if options.list.exists() else HERE / options.list
    cases, _skipped = read(listed)
    if options.only:
        if unknown := set(options.only) - {case.name for case in cases}:
            parser.error(f"{listed.name} does not have {', '.join(sorted(unknown))}")
        cases = [case for case in cases if case.name in options.only]
    cases = [case for case in cases if options.kind in (None, case.kind)]
    options.work.mkdir(parents=True, exist_ok=True)
    results = options.work / f"{listed.stem}.jsonl"
    if options.table:
        options.table.write_text(table.render(cases, table.latest(results), options.first))
        return 0
    if options.missing:
        wanted = {side for side, left in (("fpack", options.no_fpack), ("debian", options.no_debian)) if not left}
        known = table.latest(results)
        cases = [case for case in cases if not wanted <= known.get((case.release, case.name), {}).keys()]
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell lets what it puts into the background ignore SIGINT
        signal.signal(number, lambda number, _frame: sys.exit(128 + number))
    harness = Harness(
        options.work, fpack=not options.no_fpack, debian=not options.no_debian, linked=not options.no_linked
    )
    failed = 0
    tried = commit()  # a checkout may move on while this runs
    try:
        for case in cases:
            result = harness.attempt(case) | ({} if options.no_fpack else {"commit": tried})
            with results.open("a") as file:
                file.write(json.dumps(result) + "\n")
            print(table.line(result), flush=True)
            failed += result.get("fpack", "works") != "works" and result.get("debian", "works") == "works"
    finally:
        harness.close()
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
