"""Pack two gigabytes of files, beside `tar | zstd` of the same level and threads. `python bench/large.py`.

Half of the data is random and half is zeros: neither the compressor nor the disk can hide what the rest costs. Ends
with status 1 if fpack takes more than twice as long, or more than 300 MB of memory.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import tempfile
from pathlib import Path

from measure import Case, Run, run_once, table
from pack import fpack_command

MEMORY = 300  # MB
SLOWER = 2.0
PROJECT = """
image = container {
  name = "large"
  tag = "1"
  packages = []
  entrypoint = ["/data/0"]
  files = { "/data" = ./data }
}
"""


def fill(folder: Path, size: int, files: int = 64) -> None:
    """Make files of `size` bytes in all, and a program."""
    folder.mkdir(parents=True)
    noise = random.Random(1)
    each = size // files
    for number in range(files):
        with open(folder / str(number), "wb") as file:
            left = each
            while left:
                count = min(left, 1 << 20)
                file.write(noise.randbytes(count) if number % 2 else bytes(count))
                left -= count
    (folder / "0").chmod(0o755)


def cases(top: Path) -> list[Case]:
    """fpack with an empty store each time, and its peer."""
    env = {"HOME": str(top / "home"), "PATH": os.environ["PATH"], "FPACK_ROOT": str(top / "store")}
    out = top / "large.tar"

    pack = [fpack_command(), "pack", "--no-manifest", "--lock", str(top / "fpack.lock"), "-o", str(out)]
    pack += ["--compress", "zstd:9"]

    def fresh(_: int) -> None:
        """An empty store, but for the packages that every image has: a download says nothing here."""
        subprocess.run(["rm", "-rf", str(top / "store"), str(out)], check=True)
        subprocess.run(pack, env=env, cwd=top / "small", check=True, capture_output=True)
        subprocess.run(["sync"], check=True)

    peer = f"tar -C {top} -c project/data | zstd -q -9 -T2 -f -o {top}/peer.tar.zst && sync -f {top}"
    return [
        Case("fpack pack", pack, env, top / "project", fresh),
        Case("tar | zstd -9 -T2", ["sh", "-c", peer], dict(os.environ), top, peer_of="fpack pack"),
    ]


def main() -> int:
    """Measure, print and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=2000, help="MB")
    parser.add_argument("--folder", type=Path, help="where there is room for four times as much")
    options = parser.parse_args()
    top = Path(tempfile.mkdtemp(prefix="fpack-large-", dir=options.folder))
    try:
        (top / "home").mkdir()
        for name, size in (("small", 1), ("project", options.size)):
            fill(top / name / "data", size * 1_000_000)
            (top / name / "fpack.fp").write_text(PROJECT)
        found = cases(top)
        runs: dict[str, Run] = {case.name: run_once(case, 0, top / "log") for case in found}
    finally:
        subprocess.run(["chmod", "-R", "u+w", str(top)], check=False)
        shutil.rmtree(top, ignore_errors=True)
    print(table(found, runs))
    ours, theirs = (runs[case.name] for case in found)
    good = ours.memory <= MEMORY and ours.wall <= SLOWER * theirs.wall
    print(f"{'Within' if good else 'Beyond'} {MEMORY} MB and {SLOWER:.0f} times the peer's time.")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
