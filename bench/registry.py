"""Compare pushes and pulls of an image with skopeo and podman, against Debian's docker-registry on loopback.

    .venv/bin/python bench/registry.py [NAME] [ROUNDS]

NAME is a curated image (postgres). Each round uses an empty repository for each tool, in turn, so that no tool profits
from the blobs of another; the layout that skopeo reads and podman's storage are made before. Prints the medians of wall
and processor time, and the ratio of fpack to the quicker of the two others.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

FPACK = Path(sys.executable).with_name("fpack")
PORT = 5079
HOST = f"localhost:{PORT}"


class Timing(NamedTuple):
    """Seconds: of the clock, and of processors in this tool's processes."""

    wall: float
    cpu: float


def timed(words: Sequence[str | Path], **more: str) -> Timing:
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([*map(str, words)], check=True, stdout=subprocess.DEVNULL, env={**os.environ, **more})
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Timing(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else "postgres"
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 7
    place = Path(tempfile.mkdtemp(prefix="bench-registry-"))
    server = start(place)
    try:
        times = measure(name, rounds, place)
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(place, ignore_errors=True)
    for what, rows in times.items():
        print(what)
        for tool, found in rows.items():
            wall, cpu = (statistics.median(column) for column in zip(*found, strict=True))
            print(f"  {tool:14} {wall:7.3f} s wall  {cpu:7.3f} s processor")
        others = [statistics.median(t.wall for t in found) for tool, found in rows.items() if tool != "fpack"]
        if others:
            print(f"  ratio          {statistics.median(t.wall for t in rows['fpack']) / min(others):7.2f}")


def start(place: Path) -> subprocess.Popen[bytes]:
    (place / "registry.yml").write_text(
        json.dumps(
            {
                "version": "0.1",
                "log": {"level": "error", "accesslog": {"disabled": True}},
                "storage": {"filesystem": {"rootdirectory": str(place / "registry")}},
                "http": {"addr": f"127.0.0.1:{PORT}"},
            }
        )
    )
    with open(place / "log", "wb") as log:
        server = subprocess.Popen(["docker-registry", "serve", place / "registry.yml"], stdout=log, stderr=log)
    for _ in range(100):
        try:
            urllib.request.urlopen(f"http://{HOST}/v2/", timeout=5).close()
            break
        except OSError:
            time.sleep(0.1)
    return server


def measure(name: str, rounds: int, place: Path) -> dict[str, dict[str, list[Timing]]]:
    layout = place / "layout"
    subprocess.run([FPACK, "pack", name, "--format", "oci-dir", "-o", layout], check=True, stdout=subprocess.DEVNULL)
    podman = ["podman", "--root", place / "storage", "--runroot", place / "run", "--storage-driver", "vfs"]
    tag = next(iter(json.loads((layout / "index.json").read_bytes())["manifests"]))["annotations"][
        "org.opencontainers.image.ref.name"
    ]
    skopeo = ["skopeo", "--insecure-policy", "copy", "-q", "--preserve-digests"]
    subprocess.run([*podman, "pull", "-q", f"oci:{layout}:{tag}"], check=True, stdout=subprocess.DEVNULL)
    image = subprocess.run([*podman, "images", "-q"], check=True, capture_output=True, text=True).stdout.split()[0]
    pushes: dict[str, list[Timing]] = {"fpack": [], "skopeo copy": [], "podman push": []}
    pulls: dict[str, list[Timing]] = {"fpack": [], "skopeo copy": []}
    again: dict[str, list[Timing]] = {"fpack": [], "skopeo copy": [], "podman push": []}
    for number in range(rounds):
        cache = {"XDG_CACHE_HOME": str(place / f"cache{number}")}  # no record of former pushes
        target = f"{HOST}/r{number}"
        commands = {
            "fpack": [FPACK, "pack", name, "--push", f"{target}/fpack:1", "--plain-http"],
            "skopeo copy": [*skopeo, "--dest-tls-verify=false", f"oci:{layout}:{tag}", f"docker://{target}/skopeo:1"],
            "podman push": [*podman, "push", "-q", "--tls-verify=false", image, f"{target}/podman:1"],
        }
        subprocess.run(
            [FPACK, "pack", name, "-o", place / "warm.tar"],
            check=True,
            stdout=subprocess.DEVNULL,
            env={**os.environ, **cache},
        )
        order = [*commands.items()]
        order = order[number % 3 :] + order[: number % 3]
        for tool, words in order:
            pushes[tool].append(timed(words, **cache))
        for tool, words in order:
            again[tool].append(timed(words, **cache))
        source = f"{target}/fpack:1"
        pulls["fpack"].append(
            timed([FPACK, "pull", source, "--plain-http"], FPACK_ROOT=str(place / f"root{number}"), **cache)
        )
        pulls["skopeo copy"].append(
            timed([*skopeo, "--src-tls-verify=false", f"docker://{source}", f"oci:{place}/out{number}:1"])
        )
        shutil.rmtree(place / f"root{number}", ignore_errors=True)
    return {"push to an empty repository": pushes, "unchanged push": again, "pull": pulls}


if __name__ == "__main__":
    main()
