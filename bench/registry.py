"""Compare pushes and pulls of an image with skopeo and podman, against Debian's docker-registry on loopback.

    .venv/bin/python bench/registry.py [NAME] [ROUNDS]

NAME is a curated image (postgres). Each round starts an empty registry for each tool, on a port of its own: skopeo and
podman remember for all users of the machine which repository of a registry has a blob, and would mount it from there.
The layout that skopeo reads and podman's storage are made before. `fpack pack --push`
evaluates and packs what the store has, `fpack push` reads an image file. `fpack pull` and podman unpack the layers;
skopeo only copies them, as `fpack pull -o` does. Prints the medians of wall and processor time, the ratio of the first
row's to each of the others', and the load of the machine.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

FPACK = Path(sys.executable).with_name("fpack")


class Timing(NamedTuple):
    """Wall seconds, and processor seconds of the tool's processes, without the registry's."""

    wall: float
    cpu: float


def timed(words: Sequence[str | Path], **more: str) -> Timing:
    """Run a command, with further variables. Raise CalledProcessError if it fails."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([*map(str, words)], check=True, stdout=subprocess.DEVNULL, env={**os.environ, **more})
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Timing(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def main() -> None:
    """Measure and print."""
    name = sys.argv[1] if len(sys.argv) > 1 else "postgres"
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 7
    place = Path(tempfile.mkdtemp(prefix="bench-registry-"))
    try:
        times = measure(name, rounds, place)
    finally:
        for line in Path("/proc/mounts").read_text().splitlines():
            if line.split()[1].startswith(f"{place}/"):  # podman leaves its storage mounted
                subprocess.run(["umount", line.split()[1]], check=False)
        shutil.rmtree(place, ignore_errors=True)
    for what, rows in times.items():
        print(what)
        medians = {tool: Timing(*map(statistics.median, zip(*found, strict=True))) for tool, found in rows.items()}
        ours = next(iter(medians.values()))
        for tool, (wall, cpu) in medians.items():
            ratio = "" if "fpack" in tool else f"  ratio {ours.wall / wall:5.2f} {ours.cpu / cpu:5.2f}"
            print(f"  {tool:18} {wall:7.3f} s wall  {cpu:7.3f} s processor{ratio}")
    print("load {:.1f} {:.1f} {:.1f}".format(*os.getloadavg()))


@contextmanager
def registry(place: Path) -> Iterator[str]:
    """Yield the host and port of an empty registry."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        host = f"localhost:{free.getsockname()[1]}"
    place.mkdir()
    (place / "registry.yml").write_text(
        json.dumps(
            {
                "version": "0.1",
                "log": {"level": "error", "accesslog": {"disabled": True}},
                "storage": {"filesystem": {"rootdirectory": str(place / "registry")}},
                "http": {"addr": host.replace("localhost", "127.0.0.1")},
            }
        )
    )
    with open(place / "log", "wb") as log:
        server = subprocess.Popen(["docker-registry", "serve", place / "registry.yml"], stdout=log, stderr=log)
    try:
        for _ in range(100):
            try:
                urllib.request.urlopen(f"http://{host}/v2/", timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        yield host
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(place)


def measure(name: str, rounds: int, place: Path) -> dict[str, dict[str, list[Timing]]]:
    """Push and pull an image with each tool. Return the timings of each tool, by what it did. place: a directory."""
    layout = place / "layout"
    subprocess.run([FPACK, "pack", name, "--format", "oci-dir", "-o", layout], check=True, stdout=subprocess.DEVNULL)
    podman = podman_in(place / "storage")
    file = place / "image.tar"
    subprocess.run([FPACK, "pack", name, "-o", file], check=True, stdout=subprocess.DEVNULL)
    tag = next(iter(json.loads((layout / "index.json").read_bytes())["manifests"]))["annotations"][
        "org.opencontainers.image.ref.name"
    ]
    skopeo = ["skopeo", "--insecure-policy", "copy", "-q", "--preserve-digests"]
    subprocess.run([*podman, "pull", "-q", f"oci:{layout}:{tag}"], check=True, stdout=subprocess.DEVNULL)
    image = subprocess.run([*podman, "images", "-q"], check=True, capture_output=True, text=True).stdout.split()[0]
    tools = ("fpack pack --push", "fpack push", "skopeo copy", "podman push")
    pushes: dict[str, list[Timing]] = {tool: [] for tool in tools}
    again: dict[str, list[Timing]] = {tool: [] for tool in tools}
    pulls: dict[str, list[Timing]] = {"fpack pull": [], "skopeo copy": [], "podman pull": []}
    files: dict[str, list[Timing]] = {"fpack pull -o FILE": [], "skopeo copy": []}
    layouts: dict[str, list[Timing]] = {"fpack pull -o DIR": [], "skopeo copy": []}
    for number in range(rounds):
        cache = {"XDG_CACHE_HOME": str(place / f"cache{number}")}  # no record of former pushes
        subprocess.run(
            [FPACK, "pack", name, "-o", place / "warm.tar"],
            check=True,
            stdout=subprocess.DEVNULL,
            env={**os.environ, **cache},
        )
        with ExitStack() as running:
            hosts = {tool: running.enter_context(registry(place / f"server{at}")) for at, tool in enumerate(tools)}
            to = {tool: f"{host}/team/{name}:1" for tool, host in hosts.items()}
            commands = {
                "fpack pack --push": [FPACK, "pack", name, "--push", to["fpack pack --push"], "--plain-http"],
                "fpack push": [FPACK, "push", file, to["fpack push"], "--plain-http"],
                "skopeo copy": [
                    *skopeo, "--dest-tls-verify=false", f"oci:{layout}:{tag}", f"docker://{to['skopeo copy']}"
                ],
                "podman push": [*podman, "push", "-q", "--tls-verify=false", image, to["podman push"]],
            }  # fmt: skip
            order = [*tools[number % 4 :], *tools[: number % 4]]
            for times in (pushes, again):
                for tool in order:
                    times[tool].append(timed(commands[tool], **cache))
            source = to["fpack pack --push"]
            pulls["fpack pull"].append(
                timed([FPACK, "pull", source, "--plain-http"], FPACK_ROOT=str(place / f"root{number}"), **cache)
            )
            pulls["skopeo copy"].append(
                timed([*skopeo, "--src-tls-verify=false", f"docker://{source}", f"oci:{place}/out{number}:1"])
            )
            pulls["podman pull"].append(
                timed([*podman_in(place / f"storage{number}"), "pull", "-q", "--tls-verify=false", source])
            )
            for times, target, theirs in (
                (files, place / f"file{number}.tar", f"oci-archive:{place}/archive{number}.tar:1"),
                (layouts, f"{place}/layout{number}/", f"oci:{place}/copy{number}:1"),
            ):
                ours, other = times
                times[ours].append(timed([FPACK, "pull", source, "--plain-http", "-o", target], **cache))
                times[other].append(timed([*skopeo, "--src-tls-verify=false", f"docker://{source}", theirs]))
        shutil.rmtree(place / f"root{number}", ignore_errors=True)
    return {
        "push to an empty repository": pushes,
        "unchanged push": again,
        "pull": pulls,
        "pull to a file": files,
        "pull to a layout": layouts,
    }


def podman_in(storage: Path) -> list[str | Path]:
    """Return the beginning of a command of podman with a storage of its own."""
    return ["podman", "--root", storage, "--runroot", f"{storage}-run", "--storage-driver", "overlay"]


if __name__ == "__main__":
    main()
