"""Time pulling a closure from a cache into an empty store, beside `nix copy --from` of the same trees.

usage: python bench/caches.py FOLDER ENTER SHARED [RUNS [PATHS]]

FOLDER: a directory on a disk, made and deleted. ENTER: a program that runs its arguments in a Debian root with nix-bin
and busybox-static. SHARED: the host's directory that is /h in there. The closure has PATHS (1,000) paths of ten files,
each path with references to two others, the last to all. The caches: a directory, nginx, moto_server and
docker-registry, as far as these programs are on PATH. Nix copies from a directory and from nginx, without a check of
signatures.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
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


def texts(count: int) -> list[str]:
    """Return the content of each path: 2,000 hexadecimal digits, which a compressor can halve."""
    source = random.Random(1)
    return [f"{number} {source.randbytes(1000).hex()}" for number in range(count)]


def fill(folder: Path, count: int) -> str:
    """Register the closure in a store and push it to each cache. Return the last path, which references all others."""
    from fpack.builders.caches.cache import Cache, CacheFiles
    from fpack.builders.caches.push import push
    from fpack.builders.distribution.addresses import open_repository
    from fpack.store.derivation import Output
    from fpack.store.path import StorePath
    from fpack.store.store import FinishedOutput, Store

    store = Store(folder / "full")
    made: list[StorePath] = []
    for number, text in enumerate(texts(count)):
        needs = sorted({made[number // 2], made[number // 3]} if number < count - 1 else made) if number else []
        writer = store.writer()
        for n in range(FILES):
            writer.file(f"f{n}", [f"{n} {text}\n".encode()])
        writer.file("needs", [" ".join(map(str, needs)).encode()])
        output = Output(number.to_bytes(20, "big"))
        made += store.register_all(number.to_bytes(20, "big"), [FinishedOutput(f"p{number}", writer, needs, output)])
    for address in addresses(folder):
        files = CacheFiles(folder / "copies", folder / "memory")
        repository = open_repository(address, plain_http=True)
        since = time.monotonic()
        push(store, Cache(address, repository, (), files), [made[-1]], [], None)
        print(f"push to {address}: {time.monotonic() - since:.2f} s")
    store.close()
    return str(made[-1])


REGISTRY, NGINX, S3 = 5199, 5198, 5197
SERVERS = {REGISTRY: "docker-registry", S3: "moto_server", NGINX: "nginx"}


def addresses(folder: Path) -> list[str]:
    """Return the addresses of the caches to which fpack can push: a directory, and those whose servers are installed.

    nginx serves the directory, read-only.
    """
    found = [f"file://{folder}/cache"]
    if shutil.which("docker-registry"):
        found.append(f"oci://127.0.0.1:{REGISTRY}/cache")
    if shutil.which("moto_server"):
        found.append("s3://bucket/cache")
    return found


@contextlib.contextmanager
def servers(folder: Path) -> Iterator[Path]:
    """Run the servers that are installed. Yield the path of nginx's log, which has a line for each request."""
    running: list[subprocess.Popen[bytes]] = []
    ports = [port for port, name in SERVERS.items() if shutil.which(name)]
    log = folder / "access.log"
    quiet = subprocess.DEVNULL
    if shutil.which("docker-registry"):
        config = folder / "registry.yml"
        config.write_text(
            f"version: 0.1\nlog: {{accesslog: {{disabled: true}}, level: error}}\n"
            f"storage: {{filesystem: {{rootdirectory: {folder}/registry}}, delete: {{enabled: true}}}}\n"
            f"http: {{addr: '127.0.0.1:{REGISTRY}'}}\n"
        )
        running.append(subprocess.Popen(["docker-registry", "serve", config], stdout=quiet, stderr=quiet))
    if shutil.which("moto_server"):
        running.append(subprocess.Popen(["moto_server", "-H", "127.0.0.1", "-p", str(S3)], stdout=quiet, stderr=quiet))
    if shutil.which("nginx"):
        config = folder / "nginx.conf"
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
        config.write_text(
            f"daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;\nuser root;\nevents {{}}\n"
            f"http {{ {temporary} access_log {log}; server {{ listen 127.0.0.1:{NGINX}; root {folder}; }} }}\n"
        )
        running.append(subprocess.Popen(["nginx", "-p", folder, "-c", config], stdout=quiet, stderr=quiet))
    try:
        for port in ports:
            for _ in range(200):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.1)
        if shutil.which("moto_server"):
            urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{S3}/bucket", method="PUT"))
        yield log
    finally:
        for process in running:
            process.terminate()
            process.wait()


def main() -> None:
    """Fill the caches, pull from each in turn, and print medians and their ratios to Nix's."""
    folder, enter, shared = Path(sys.argv[1]).absolute(), sys.argv[2], Path(sys.argv[3])
    runs, count = (int(word) for word in [*sys.argv[4:], "5", "1000"][:2])
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{S3}", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
    }  # fmt: skip
    folder.mkdir(parents=True)
    with servers(folder) as log:
        path = fill(folder, count)
        nix_path = fill_nix(folder, enter, shared, count)
        sources: dict[str, Callable[[int], None]] = {
            "nix copy, directory": lambda n: nix(enter, shared, "file:///h/nixcache", nix_path, n),
            "fpack, directory": lambda n: fpack(folder, f"file://{folder}/cache", path, n),
        }
        if shutil.which("nginx"):
            url = f"http://127.0.0.1:{NGINX}"
            sources["nix copy, nginx"] = lambda n: nix(enter, shared, f"{url}/nixcache", nix_path, n)
            sources["fpack, nginx"] = lambda n: fpack(folder, f"{url}/cache", path, n)
        for address in addresses(folder)[1:]:
            sources[f"fpack, {address}"] = lambda n, address=address: fpack(folder, address, path, n)  # type: ignore[misc]
        times: dict[str, list[float]] = {name: [] for name in sources}
        requests: dict[str, int] = {}
        for number in range(runs):
            for name, run in sources.items():
                before = lines(log)
                since = time.monotonic()
                run(number)
                times[name].append(time.monotonic() - since)
                if "nginx" in name:
                    requests[name] = lines(log) - before
        empty = statistics.median(timed([enter, "true"]) for _ in range(5))
        for name, values in times.items():
            median = statistics.median(values) - (empty if name.startswith("nix") else 0)
            base = statistics.median(times["nix copy, nginx" if "nginx" in name and shutil.which("nginx") else
                                           "nix copy, directory"]) - empty  # fmt: skip
            asked = f", {requests[name]} requests" if name in requests else ""
            print(f"{name:45} {median:.2f} s, ratio {median / base:.2f}{asked}")
    shutil.rmtree(folder)


def lines(log: Path) -> int:
    """Return the number of lines of a file; 0 if there is none."""
    return log.read_bytes().count(b"\n") if log.exists() else 0


def timed(command: list[str]) -> float:
    """Run a command. Return its wall seconds."""
    since = time.monotonic()
    subprocess.run(command, check=True)
    return time.monotonic() - since


def fill_nix(folder: Path, enter: str, shared: Path, count: int) -> str:
    """Build the same closure with Nix, and copy it to a cache. Return its path."""
    import json

    (shared / "caches.nix").write_text(NIX)
    (shared / "text.json").write_text(json.dumps(texts(count)))
    paths = "/bin/sh=/usr/bin/busybox /bin/busybox=/usr/bin/busybox"
    built = subprocess.run(
        [enter, "nix-build", "--no-out-link", "--option", "sandbox-paths", paths, "/h/caches.nix"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    path = built.stdout.strip()
    cache = "file:///h/nixcache?compression=zstd&parallel-compression=true"
    subprocess.run([enter, "nix", "copy", "--to", cache, path], check=True)
    if not (folder / "nixcache").exists():
        shutil.copytree(shared / "nixcache", folder / "nixcache")
    return path


def nix(enter: str, shared: Path, source: str, path: str, number: int) -> None:
    """Copy a closure with Nix from a cache into a new store."""
    target = f"bench{os.getpid()}-{time.monotonic_ns()}"
    subprocess.run(
        [enter, "nix", "copy", "--from", source, "--to", f"/h/{target}", "--no-check-sigs", path],
        check=True, capture_output=True,
    )  # fmt: skip


def fpack(folder: Path, address: str, path: str, number: int) -> None:
    """Pull a closure with fpack from a cache into a new store."""
    home = folder / f"home{time.monotonic_ns()}"
    home.mkdir()
    env = {
        **os.environ, "HOME": str(home), "FPACK_ROOT": str(home / "store"), "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_STATE_HOME": str(home / "state"), "XDG_CONFIG_HOME": str(home / "config"),
    }  # fmt: skip
    command = [str(ROOT / "cli/fpack"), "cache", "pull", "--from", address, path]
    subprocess.run(command, check=True, capture_output=True, env=env, cwd=home)


if __name__ == "__main__":
    main()
