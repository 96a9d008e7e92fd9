"""Time packing two gigabytes of files, beside `tar | zstd` with the same level and threads.

    python bench/large.py [--size MB] [--folder FOLDER]

Half of the data is random and half is zeros, because these compress fast: the figures show the cost of reading, hashing
and writing. The exit status is 1 if fpack takes over SLOWER times as long as the peer, or over MEMORY.
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
SLOWER = 2.0  # times the peer's wall time
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
    """Make files of `size` bytes in total. The first one is executable, because the image starts it."""
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
    """Return the case of fpack, with an empty store for each run, and that of the peer."""
    env = {"HOME": str(top / "home"), "PATH": os.environ["PATH"], "FPACK_ROOT": str(top / "store")}
    out = top / "large.tar"

    pack = [fpack_command(), "pack", "--no-manifest", "--lock", str(top / "fpack.lock"), "-o", str(out)]
    pack += ["--compress", "zstd:9"]

    def fresh(_: int) -> None:
        """Empty the store, and pack a small project, so that no run downloads the packages that every image has."""
        subprocess.run(["rm", "-rf", str(top / "store"), str(out)], check=True)
        subprocess.run(pack, env=env, cwd=top / "small", check=True, capture_output=True)
        subprocess.run(["sync"], check=True)

    peer = f"tar -C {top} -c project/data | zstd -q -9 -T2 -f -o {top}/peer.tar.zst && sync -f {top}"
    return [
        Case("fpack pack", pack, env, top / "project", fresh),
        Case("tar | zstd -9 -T2", ["sh", "-c", peer], dict(os.environ), top, peer_of="fpack pack"),
    ]


def main() -> int:
    """Measure and print. Return 1 if a limit is exceeded."""
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
