"""Time pulling a closure from a cache into an empty store, beside `nix copy --from` of the same trees.

usage: python bench/caches.py FOLDER ENTER SHARED [RUNS [PATHS | STORE/store/PATH]]

FOLDER: a directory on a disk, made and deleted. ENTER: a program that runs its arguments in a Debian root with nix-
bin and busybox-static, and has /dev of the host. SHARED: the host's directory that is /h in there. The closure has
PATHS (1,000) paths of ten files, each path with references to two others, the last to all. STORE/store/PATH: the
closure of a path of a store instead, such as the root of a shell, which references a path for each package; its trees
are added to Nix's store, and a file there references all of them. Both sides write to the file system of FOLDER. The
caches: a directory, and nginx, moto_server and docker-registry, as far as these programs are on PATH. Each is
compared with Nix's own access of the same kind: a directory with `file://`, nginx with `http://` of the same nginx.
Debian's Nix is built without S3, so it reads the bucket of moto_server through `http://`; it knows no registry, so
docker-registry is compared with nginx. Nix does not check signatures, and does not sync what it writes. Runs are
interleaved, with a sync of all disks before each; requests are the lines of the servers' logs. Run it with the Python
of an installed fpack.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

FPACK = str(Path(sys.executable).with_name("fpack"))
FILES = 10

NIX = """
let
  text = builtins.fromJSON (builtins.readFile ./text.json);
  at = i: builtins.elemAt paths i;
  last = builtins.length text - 1;
  needs = i: if i == 0 then [] else if i == last then builtins.genList at i else [ (at (i / 2)) (at (i / 3)) ];
  paths = builtins.genList (i: derivation {
    name = "p${toString i}"; system = builtins.currentSystem; builder = "/bin/sh"; inherit (builtins) currentSystem;
    content = builtins.elemAt text i; needs = map toString (needs i);
    args = ["-c" ''
      /bin/busybox mkdir $out
      for n in 0 1 2 3 4 5 6 7 8 9; do echo "$n $content" > $out/f$n; done
      echo $needs > $out/needs
    ''];
  }) (builtins.length text);
in at last
"""

NIX_TREES = """
let paths = map builtins.storePath (builtins.fromJSON (builtins.readFile ./text.json));
in derivation {
  name = "all"; system = builtins.currentSystem; builder = "/bin/sh"; inherit paths;
  args = ["-c" "echo $paths > $out"];
}
"""
INSIDE = "/dev/shm/fpack-bench-caches"  # FOLDER, where ENTER has the host's /dev

REGISTRY, NGINX, S3 = 5199, 5198, 5197
SERVERS = {REGISTRY: "docker-registry", S3: "moto_server", NGINX: "nginx"}


class Run(NamedTuple):
    """Seconds of wall time and of processor time, without those of the servers."""

    wall: float
    cpu: float


class Case(NamedTuple):
    """One side of a comparison. log: of the server's requests."""

    run: Callable[[], None]
    log: Path | None = None


def texts(count: int) -> list[str]:
    """Return the content of each path: 2,000 hexadecimal digits, which a compressor can halve."""
    source = random.Random(1)
    return [f"{number} {source.randbytes(1000).hex()}" for number in range(count)]


def fill(folder: Path, count: int, given: Path | None = None) -> str:
    """Push a closure to each cache: that of a path of a store, or one that is made. Return the path that needs all."""
    from fpack.builders.caches.cache import Cache, CacheFiles
    from fpack.builders.caches.push import push
    from fpack.builders.distribution.addresses import open_repository
    from fpack.store.derivation import Output
    from fpack.store.path import StorePath, parse
    from fpack.store.sessions.registration import FinishedOutput
    from fpack.store.store import Store

    store = Store(given.parents[1] if given else folder / "full")
    made: list[StorePath] = [parse(given.name)] if given else []
    for number, text in enumerate(() if given else texts(count)):
        needs = sorted({made[number // 2], made[number // 3]} if number < count - 1 else made) if number else []
        writer = store.writer()
        for n in range(FILES):
            writer.file(f"f{n}", [f"{n} {text}\n".encode()])
        writer.file("needs", [" ".join(map(str, needs)).encode()])
        output = Output(number.to_bytes(20, "big"))
        made += store.register_all(number.to_bytes(20, "big"), [FinishedOutput(f"p{number}", writer, needs, output)])
    for address in addresses(folder).values():
        if address.startswith("http"):
            continue  # nginx serves the directory
        files = CacheFiles(folder / "copies", folder / "memory")
        repository = open_repository(address, plain_http=True)
        push(store, Cache(address, repository, (), files), [made[-1]], [], None)
    store.close()
    return str(made[-1])


def addresses(folder: Path) -> dict[str, str]:
    """Return the addresses of the caches by the kind: those whose servers are installed."""
    found = {"directory": f"file://{folder}/cache"}
    if shutil.which("nginx"):
        found["nginx"] = f"http://127.0.0.1:{NGINX}/cache"
    if shutil.which("moto_server"):
        found["moto_server"] = "s3://bucket/cache"
    if shutil.which("docker-registry"):
        found["docker-registry"] = f"oci://127.0.0.1:{REGISTRY}/cache"
    return found


@contextlib.contextmanager
def servers(folder: Path) -> Iterator[dict[str, Path]]:
    """Run the servers that are installed. Yield their logs, which have a line for each request."""
    running: list[subprocess.Popen[bytes]] = []
    ports = [port for port, name in SERVERS.items() if shutil.which(name)]
    logs = {name: folder / f"{name}.log" for name in SERVERS.values()}

    def start(name: str, *command: str | Path, log: bool = True) -> None:
        with open(logs[name] if log else os.devnull, "wb") as out:
            running.append(subprocess.Popen([name, *command], stdout=out, stderr=out))

    if shutil.which("docker-registry"):
        config = folder / "registry.yml"
        config.write_text(
            f"version: 0.1\nlog: {{accesslog: {{disabled: false}}, level: error}}\n"
            f"storage: {{filesystem: {{rootdirectory: {folder}/registry}}, delete: {{enabled: true}}}}\n"
            f"http: {{addr: '127.0.0.1:{REGISTRY}'}}\n"
        )
        start("docker-registry", "serve", config)
    if shutil.which("moto_server"):
        start("moto_server", "-H", "127.0.0.1", "-p", str(S3))
    if shutil.which("nginx"):
        config = folder / "nginx.conf"
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
        config.write_text(
            f"daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;\nuser root;\nevents {{}}\n"
            f"http {{ {temporary} access_log {logs['nginx']}; "
            f"server {{ listen 127.0.0.1:{NGINX}; root {folder}; }} }}\n"
        )
        start("nginx", "-p", folder, "-c", config, log=False)
    try:
        for port in ports:
            for _ in range(200):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.1)
        if shutil.which("moto_server"):
            put(f"http://127.0.0.1:{S3}/bucket", b"")
        yield logs
    finally:
        for process in running:
            process.terminate()
            process.wait()


def put(url: str, data: bytes) -> None:
    """Write an object of the bucket."""
    # The default, a form, would make the server look for fields in the data.
    kind = {"Content-Type": "application/octet-stream", "x-amz-acl": "public-read"}
    urllib.request.urlopen(urllib.request.Request(url, data, kind, method="PUT"), timeout=60).close()


def main() -> None:
    """Fill the caches, pull from each in turn, and print medians and their ratios to Nix's."""
    folder, enter, shared = Path(sys.argv[1]).absolute(), sys.argv[2], Path(sys.argv[3])
    more = sys.argv[4:6] + ["5", "1000"][len(sys.argv) - 4 :]
    runs, given = int(more[0]), Path(more[1]) if "/" in more[1] else None
    count = 0 if given else int(more[1])
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{S3}", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
    }  # fmt: skip
    folder.mkdir(parents=True)
    with servers(folder) as logs:
        path, nix_path = fill(folder, count, given), fill_nix(folder, enter, shared, count, given)
        sources = {
            "directory": f"file://{INSIDE}/nixcache",
            "nginx": f"http://127.0.0.1:{NGINX}/nixcache",
            "moto_server": f"http://127.0.0.1:{S3}/bucket/nixcache",
        }
        peers = {
            kind: Case(lambda source=source: nix(folder, enter, source, nix_path), logs.get(kind))
            for kind, source in sources.items()
        }
        cases: dict[str, Case] = {"enter alone": Case(lambda: command([*within(folder), enter, "true"]))}
        for kind, address in addresses(folder).items():
            if kind in peers:
                cases[f"nix copy, {kind}"] = peers[kind]
            own = lambda address=address: fpack(folder, address, path)  # noqa: E731
            cases[f"fpack, {kind}"] = Case(own, logs.get(kind))
        times: dict[str, list[Run]] = {name: [] for name in cases}
        requests: dict[str, int] = {}
        for number in range(runs):
            for name, case in list(cases.items())[:: 1 if number % 2 else -1]:
                os.sync()
                before = lines(case.log)
                times[name].append(timed(case.run))
                requests[name] = lines(case.log) - before
                wait_for_syncs()
                if given:  # a real closure has a gigabyte
                    for place in [*folder.glob("home*"), *folder.glob("nix[0-9]*")]:
                        shutil.rmtree(place)
        print(f"{given or count} paths, {runs} rounds, load {os.getloadavg()[0]:.1f}")
        medians = {name: Run(*map(statistics.median, zip(*rows, strict=True))) for name, rows in times.items()}
        empty = medians.pop("enter alone")
        for name, median in medians.items():
            kind = name.partition(", ")[2]
            base = medians.get(f"nix copy, {kind}") or medians.get("nix copy, nginx") or medians["nix copy, directory"]
            less = empty if name.startswith("nix") else Run(0, 0)
            wall, cpu = median.wall - less.wall, median.cpu - less.cpu
            print(
                f"{name:26} {wall:.2f} s, {cpu:.2f} s CPU, ratios {wall / (base.wall - empty.wall):.2f} "
                f"{cpu / (base.cpu - empty.cpu):.2f}, {requests[name]} requests"
            )
    shutil.rmtree(folder)


def wait_for_syncs() -> None:
    """Wait for the processes with which fpack syncs fetched files after its commands."""
    pulls = f"{FPACK}\0cache\0pull".encode()
    left = True
    while left:
        time.sleep(0.02)
        left = False
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                left = left or pulls in file.read_bytes()


def lines(log: Path | None) -> int:
    """Return the number of requests in a log; 0 if there is none."""
    if log is None or not log.exists():
        return 0
    return sum(b"HTTP/1." in line for line in log.read_bytes().splitlines())


def command(words: list[str], **options: object) -> None:
    """Run a command. Raise an error with its messages if it fails."""
    done = subprocess.run(words, capture_output=True, text=True, **options)  # type: ignore[call-overload]
    if done.returncode:
        raise SystemExit(f"{words}: {done.stderr[-2000:]}")


def timed(run: Callable[[], None]) -> Run:
    """Call a function that runs commands. Return the time of these."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    run()
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Run(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def fill_nix(folder: Path, enter: str, shared: Path, count: int, given: Path | None) -> str:
    """Build the same closure with Nix, and copy it to each cache. Return its path."""
    (shared / "caches.nix").write_text(NIX_TREES if given else NIX)
    (shared / "text.json").write_text(json.dumps(add_trees(folder, enter, given) if given else texts(count)))
    paths = "/bin/sh=/usr/bin/busybox /bin/busybox=/usr/bin/busybox"
    built = subprocess.run(
        [enter, "nix-build", "--no-out-link", "--option", "sandbox-paths", paths, "/h/caches.nix"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    path = built.stdout.strip()
    shutil.rmtree(shared / "nixcache", ignore_errors=True)
    command([enter, "nix", "copy", "--to", "file:///h/nixcache?compression=zstd&parallel-compression=true", path])
    shutil.copytree(shared / "nixcache", folder / "nixcache")  # the same file system for all
    if shutil.which("moto_server"):
        for file in (shared / "nixcache").rglob("*"):
            if file.is_file():
                name = file.relative_to(shared)
                put(f"http://127.0.0.1:{S3}/bucket/{name}", file.read_bytes())
    return path


def add_trees(folder: Path, enter: str, given: Path) -> list[str]:
    """Add the trees of a closure to Nix's store. Return their paths there."""
    from fpack.store.path import parse
    from fpack.store.store import Store

    store = Store(given.parents[1])
    names = []
    for number, path in enumerate(store.closure([parse(given.name)])):
        names.append(f"{number}-{path.name}")
        shutil.copytree(store.disk(path), folder / "trees" / names[-1], symlinks=True)
    store.close()
    words = [*within(folder), enter, "nix-store", "--add", *(f"{INSIDE}/trees/{name}" for name in names)]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()


def within(folder: Path) -> list[str]:
    """Return the first words of a command that sees FOLDER at INSIDE."""
    script = f'mkdir -p {INSIDE} && mount --bind "$0" {INSIDE} && exec "$@"'
    return ["unshare", "-m", "--propagation", "private", "/bin/sh", "-c", script, os.fspath(folder)]


def nix(folder: Path, enter: str, source: str, path: str) -> None:
    """Copy a closure with Nix from a cache into a new store. Nix remembers narinfos: each run has an empty cache."""
    target = f"{INSIDE}/nix{time.monotonic_ns()}"
    words = ["nix", "copy", "--from", source, "--to", target, "--no-check-sigs", path]
    command([*within(folder), enter, "env", f"XDG_CACHE_HOME={target}.cache", *words])


def fpack(folder: Path, address: str, path: str) -> None:
    """Pull a closure with fpack from a cache into a new store."""
    home = folder / f"home{time.monotonic_ns()}"
    home.mkdir()
    env = {
        **os.environ, "HOME": str(home), "FPACK_ROOT": str(home / "store"), "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_STATE_HOME": str(home / "state"), "XDG_CONFIG_HOME": str(home / "config"),
    }  # fmt: skip
    command([FPACK, "cache", "pull", "--from", address, path], env=env, cwd=home)


if __name__ == "__main__":
    main()
