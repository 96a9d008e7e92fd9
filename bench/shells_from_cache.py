"""Enter a project's shell on a new machine from a cache, beside `nix-shell` and `nix develop` from a binary cache.

usage: python bench/shells_from_cache.py FOLDER ENTER SHARED [RUNS [PACKAGES]]

FOLDER: a directory on a disk, made and deleted. Use a new file system: after many files were deleted, ext4 looks a long
time for inodes that were not deleted in the last minutes. ENTER: a program that runs its arguments in a Debian root
with nix-bin and busybox-static. SHARED: the host's directory that is /h in there. The project has PACKAGES (300)
packages of ten files of two thousand bytes. Each run has an empty store and an empty home, and runs `true` in the
shell. fpack's packages are those of a small Debian archive, which is not asked: the cache has the root of the shell.
Nix's are derivations that write trees of the same form, without stdenv and nixpkgs, which Nix's shells would need, too.
Nix makes no root of the packages, as fpack does, and does not sync what it writes; fpack does so after the command, in
a process whose time does not count. All disks are synced before each run. Both caches are directories with zstd; fpack
verifies its signatures, Nix does not. Run it with the Python of an installed fpack.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
FPACK = str(Path(sys.executable).with_name("fpack"))
FILES = 10

NIX = """
let
  text = builtins.fromJSON (builtins.readFile ./shell-text.json);
  busybox = "/bin/busybox";
  package = number: content: derivation {
    name = "package${toString number}"; system = builtins.currentSystem; builder = "/bin/sh"; inherit content;
    args = ["-c" ''
      share=$out/data/usr/share/$name doc=$out/data/usr/share/doc/$name status=$out/data/var/lib/dpkg/status.d
      ${busybox} mkdir -p $share $doc $status
      for n in 0 1 2 3 4 5 6 7 8 9; do echo "$n $content" > $share/f$n; done
      echo "Package: $name" > $status/$name; echo "$name" > $out/meta; echo copyright > $doc/copyright
    ''];
  };
  packages = builtins.genList (n: package n (builtins.elemAt text n)) (builtins.length text);
in {
  inherit packages;
  shell = derivation {
    name = "shell"; system = builtins.currentSystem; builder = "/bin/bash"; args = ["-c" "echo $packages > $out"];
    inherit packages; outputs = ["out"];
  };
}
"""
FLAKE = "{ outputs = { self }: { devShells.x86_64-linux.default = (import ./shell.nix).shell; }; }"


class Run(NamedTuple):
    """Seconds of wall time and of processor time."""

    wall: float
    cpu: float


def texts(count: int) -> list[str]:
    """The content of each package: two thousand characters of which about half compress away."""
    source = random.Random(2)
    return [f"{number} {source.randbytes(1000).hex()}" for number in range(count)]


def fill(folder: Path, count: int, busybox: bytes) -> dict[str, str]:
    """Make an archive and a project, and push its shell to a cache. Return the variables of another machine."""
    from support.archives.archive import file
    from support.processes.program import world

    archive = world(folder / "archive")
    archive.add("bash", files={f"usr/bin/{program}": file(busybox, 0o755) for program in ("bash", "true")})
    archive.add("dash", files={"usr/bin/sh": file(busybox, 0o755)})
    for number, text in enumerate(texts(count)):
        name = f"package{number}"
        archive.add(name, files={f"usr/share/{name}/f{n}": f"{n} {text}\n" for n in range(FILES)})
    archive.publish()
    names = [f"package{number}" for number in range(count)]
    project = folder / "project"
    project.mkdir()
    packages = ", ".join(f"debian.{name}" for name in names)
    (project / "fpack.fp").write_text(
        f'debian = import("fpack/debian").trixie\nshell = shell {{ base = ["bash"], packages = [{packages}] }}\n'
    )
    cache = f"file://{folder / 'cache'}"
    base = {"FPACK_MIRROR": archive.mirror, "FPACK_KEYRING": str(archive.keyring), "FPACK_GC_AUTOMATIC": "0"}
    first = machine(folder / "first", base)
    subprocess.run([FPACK, "key", "generate", "-o", folder / "ci.pem"], env=first, check=True, capture_output=True)
    pushing = {"FPACK_CACHE_PUSH": cache, "FPACK_CACHE_SIGN_WITH": str(folder / "ci.pem")}
    subprocess.run([FPACK, "shell", "--", "true"], env={**first, **pushing}, cwd=project, check=True)
    (folder / "archive").rename(folder / "archive-gone")
    return {**base, "FPACK_CACHES": cache, "FPACK_CACHE_KEYS": str(folder / "ci.pub")}


def machine(home: Path, more: dict[str, str]) -> dict[str, str]:
    """Make the home of a new machine. Return the variables of its user."""
    home.mkdir()
    return {"HOME": str(home), "PATH": os.environ["PATH"], "FPACK_ROOT": str(home / "store"), **more}


def fill_nix(enter: str, shared: Path, count: int) -> None:
    """Build the same packages with Nix, and copy them to a binary cache."""
    (shared / "shell").mkdir(exist_ok=True)
    (shared / "shell/flake.nix").write_text(FLAKE)
    (shared / "shell/shell.nix").write_text(NIX.replace("builtins.currentSystem", '"x86_64-linux"'))
    (shared / "shell/shell-text.json").write_text(json.dumps(texts(count)))
    paths = "/bin/sh=/usr/bin/busybox /bin/busybox=/usr/bin/busybox"
    build = [
        enter,
        "nix-build",
        "--no-out-link",
        "--option",
        "sandbox-paths",
        paths,
        "/h/shell/shell.nix",
        "-A",
        "packages",
    ]
    built = subprocess.run(build, capture_output=True, text=True, check=True).stdout.split()
    cache = "file:///h/shellcache?compression=zstd&parallel-compression=true"
    subprocess.run([enter, "nix", "copy", "--to", cache, *built], check=True, capture_output=True)


def run(command: list[str], **options: object) -> Run:
    """Run a command. Raise an error with its messages if it fails."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, **options)  # type: ignore[call-overload]
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{command}: {done.stderr[-2000:]}")
    return Run(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def main() -> None:
    folder, enter, shared = Path(sys.argv[1]).absolute(), sys.argv[2], Path(sys.argv[3])
    runs, count = (int(word) for word in (sys.argv[4:6] + ["5", "300"][len(sys.argv) - 4 :]))
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    folder.mkdir(parents=True)
    busybox = subprocess.run([enter, "cat", "/usr/bin/busybox"], capture_output=True, check=True).stdout
    variables = fill(folder, count, busybox)
    fill_nix(enter, shared, count)

    def fpack() -> Run:
        env = machine(folder / f"home{time.monotonic_ns()}", variables)
        return run([FPACK, "shell", "--frozen", "--", "true"], env=env, cwd=folder / "project")

    settings = {
        "substitute": "true", "substituters": "file:///h/shellcache", "require-sigs": "false", "sandbox": "false",
        "experimental-features": "nix-command flakes", "flake-registry": "",
    }  # fmt: skip
    options = [word for item in settings.items() for word in ("--option", *item)]

    def nix(program: list[str], *words: str) -> Run:
        """Run a command of Nix with an empty store and an empty home."""
        new = f"shell{os.getpid()}-{time.monotonic_ns()}"
        (shared / new / "nix").mkdir(parents=True)
        script = 'mount --bind "$0/nix" /nix && HOME=$0 NIX_BUILD_SHELL=/bin/bash exec "$@"'
        return run([enter, "sh", "-c", script, f"/h/{new}", *program, *options, *words])

    cases: dict[str, Callable[[], Run]] = {
        "enter alone": lambda: run([enter, "true"]),
        "fpack shell": fpack,
        "nix-shell": lambda: nix(["nix-shell"], "--pure", "/h/shell/shell.nix", "-A", "shell", "--run", "true"),
        "nix develop": lambda: nix(["nix", "develop"], "path:/h/shell", "-c", "true"),
    }
    times: dict[str, list[Run]] = {name: [] for name in cases}
    for _ in range(runs):
        for name, case in cases.items():
            os.sync()
            times[name].append(case())
    medians = {name: Run(*map(statistics.median, zip(*rows, strict=True))) for name, rows in times.items()}
    less, own = medians.pop("enter alone"), medians.pop("fpack shell")
    print(f"{count} packages, {runs} rounds, load {os.getloadavg()[0]:.1f}")
    print(f"fpack shell  {own.wall:.2f} s wall, {own.cpu:.2f} s CPU")
    for name, median in medians.items():
        peer = Run(median.wall - less.wall, median.cpu - less.cpu)
        print(f"{name:12} {peer.wall:.2f} s wall, {peer.cpu:.2f} s CPU", end="")
        print(f"; ratio {own.wall / peer.wall:.2f}, {own.cpu / peer.cpu:.2f}")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
