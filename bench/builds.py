"""Compare trivial sandboxed builds with Nix's: the time of one, and whether it grows with the number of builds.

usage: python bench/builds.py FOLDER ENTER SHARED [RUNS [COUNT ...]]

FOLDER: a directory on a disk, made here; delete it afterwards. ENTER: a program that runs its arguments in a Debian
root with nix-bin 2.26 and busybox-static. SHARED: the host's directory that is /h in there. Both build COUNT
derivations (500), two at once. Each build writes its output with `echo`, and a line into its log. Then fpack builds
1,000 derivations that are already built. RUNS: the number of measurements of each (3).
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fpack.builders.rootfs.view import assemble

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

NIX = """
builtins.genList (i: derivation {{
  name = "b${{toString i}}"; system = builtins.currentSystem; builder = "/bin/sh";
  args = ["-c" "echo log; echo {tag}${{toString i}} > $out"];
}}) {count}
"""


def prepare(folder: Path, shell: bytes) -> None:
    """Make a store with a root that has only a shell, and write the root's path into the file `root`."""
    from fpack.store.store import Store
    from support.stores.roots import MERGED, add_root, add_slice

    store = Store(folder / "store")
    shells = add_slice(store, "busybox", {"usr/bin/busybox": shell, "usr/bin/sh": "busybox"})
    root = add_root(store, {"busybox": shells}, MERGED)
    (folder / "root").write_text(str(root))
    os.symlink(folder / "link", store.root / "roots" / "bench")
    os.symlink(store.disk(root), folder / "link")
    store.close()


def build(folder: Path, tag: str, count: int) -> None:
    """Build `count` derivations that no store has: their scripts contain `tag`. Runs in a process of its own."""
    from fpack.builders.scheduler.reporter import Reporter
    from fpack.builders.scheduler.scheduler import Scheduler
    from fpack.store.derivation import Derivation, Output, digest
    from fpack.store.store import Store

    store = Store(folder / "store")
    root = (folder / "root").read_text()
    bodies, wanted = {}, []
    for number in range(count):
        script = f"echo log; echo {tag}{number} > $out"
        phases = [{"name": "build", "script": script}]
        args = {"root": root, "shell": "/bin/sh", "phases": phases, "env": {}}
        body = Derivation("exec", f"b{number}", args).encode()
        wanted.append(Output(digest(body)))
        bodies[digest(body)] = body
    kinds = Kinds()
    made = Scheduler(store, kinds, Reporter(), assemble=assemble, bodies=bodies, jobs=2).realise(wanted)
    assert len(made) == count
    # Wait for the process that starts the sandboxes, so that its processor time counts.
    kinds.close()
    store.close()


class Kinds(dict[str, Any]):
    """The builders by kind. The builder of `exec`, the only one, is made when something is to be built, as fpack
    does."""

    def __missing__(self, kind: str) -> Any:
        from fpack.builders.kinds.exec import ExecBuilder
        from fpack.builders.sandbox.local_executor import LocalExecutor

        self.local = LocalExecutor()
        return self.setdefault(kind, ExecBuilder(self.local))

    def close(self) -> None:
        """End the executor, which runs builds, if it was made."""
        if self:
            self.local.close()

    def get(self, kind: str, default: Any = None) -> Any:
        """Return the builder of a kind. dict.get would not call `__missing__`."""
        return self[kind]


def timed(run: Callable[[], object]) -> tuple[float, float]:
    """Return the wall seconds of a call, and the processor seconds of the processes that it started."""
    begin, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    run()
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - begin, end.ru_utime + end.ru_stime - used.ru_utime - used.ru_stime


def call(*command: str | Path) -> None:
    """Run a program. If it fails, end with the last part of its errors."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])


def main(folder: Path, enter: Path, shared: Path, runs: int, counts: list[int]) -> None:
    """Measure fpack and Nix in turn, and print medians and ratios."""
    folder.mkdir()
    shell = subprocess.run([enter, "cat", "/usr/bin/busybox"], capture_output=True, check=True).stdout
    prepare(folder, shell)

    def fpack(tag: str, count: int) -> None:
        call(sys.executable, __file__, "--run", folder, tag, str(count))

    def nix(tag: str, count: int) -> None:
        (shared / "builds.nix").write_text(NIX.format(tag=tag, count=count))
        call(enter, "nix-build", "--no-out-link", "-j2", "/h/builds.nix")

    fpack("warm", 5)
    nix("warm", 5)
    entering = median([timed(lambda: call(enter, "true")) for _ in range(5)])
    print(f"{'builds':>7} {'':>10} {'fpack s':>8} {'ms each':>8} {'nix s':>8} {'ms each':>8} {'ratio':>6}")
    for count in counts:
        ours, theirs = [], []
        for number in range(runs):
            tag = f"{os.getpid()}-{count}-{number}-"
            ours.append(timed(lambda tag=tag, count=count: fpack(tag, count)))
            theirs.append(timed(lambda tag=tag, count=count: nix(tag, count)))
        for what, mine, other, less in zip(("wall", "processors"), median(ours), median(theirs), entering, strict=True):
            other -= less
            print(
                f"{count:>7} {what:>10} {mine:>8.2f} {mine / count * 1000:>8.2f} {other:>8.2f} "
                f"{other / count * 1000:>8.2f} {mine / other:>6.2f}",
                flush=True,
            )
    fpack("noop", 1000)
    wall, used = median([timed(lambda: fpack("noop", 1000)) for _ in range(5)])
    print(f"nothing to do in a built graph of 1,000: {wall:.3f} s, {used:.3f} s of processors")


def median(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the median of each of the two figures."""
    return statistics.median(wall for wall, _ in pairs), statistics.median(used for _, used in pairs)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        build(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
        # fpack, too, ends without the interpreter's cleaning up, which takes milliseconds.
        sys.stdout.flush()
        os._exit(0)
    elif len(sys.argv) < 4:
        raise SystemExit(__doc__)
    else:
        main(
            Path(sys.argv[1]).absolute(),
            Path(sys.argv[2]),
            Path(sys.argv[3]),
            int(sys.argv[4]) if len(sys.argv) > 4 else 3,
            [int(count) for count in sys.argv[5:]] or [500],
        )
