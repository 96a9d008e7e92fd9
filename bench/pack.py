"""Time packing postgres from an empty store, again, and after a change, beside mmdebstrap and `podman build`.

    python bench/pack.py [--runs N] [--json FILE]

Packages come from a directory, so that no figure contains a download.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import Case, measure, table

PROJECT = """
postgres = import("fpack/postgres")
image = postgres.image.with { labels = { change = "%d" } }
"""


def fpack_command() -> str:
    """Return the path of the fpack of this Python's environment, else of the one on PATH."""
    beside = Path(sys.executable).with_name("fpack")
    found = str(beside) if beside.exists() else shutil.which("fpack")
    if not found:
        raise SystemExit("fpack is not installed in this environment")
    return found


class Setting:
    """A directory with all that the runs need: a lock, a mirror with the packages as files, a store that has them."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.fpack = fpack_command()
        self.lock = top / "fpack.lock"
        self.env = {
            "HOME": str(top / "home"),
            "PATH": os.environ["PATH"],
            "FPACK_ROOT": str(top / "filled"),
            "XDG_CACHE_HOME": str(top / "cache"),
        }
        (top / "home").mkdir()
        (top / "project").mkdir()
        self.run("pack", "postgres", "--lock", str(self.lock), "-o", str(top / "postgres.tar"))
        self.packages = self._mirror()

    def run(self, *args: str) -> None:
        subprocess.run([self.fpack, *args], env=self.env, cwd=self.top, check=True)

    def _mirror(self) -> list[tuple[str, str]]:
        """Link the fetched packages into a directory in the layout of Debian's archive. Return (name, version) of
        each."""
        store = {p.name.partition("-")[2]: p for p in (self.top / "filled" / "store").iterdir() if p.is_file()}
        packages = []
        for line in self.lock.read_text().splitlines():
            if not line.startswith("package "):
                continue
            _, _, _, name, version, *fields = line.split()
            values = dict(field.partition("=")[::2] for field in fields)
            base = values["file"].rpartition("/")[2]
            held = store.get("".join(c if c.isalnum() or c in "+._=-" else "_" for c in base))
            if held is not None:
                target = self.top / "mirror" / values["archive"] / values["file"]
                target.parent.mkdir(parents=True, exist_ok=True)
                os.link(held, target)
                packages.append((name, version))
        return packages

    def with_mirror(self, root: Path) -> dict[str, str]:
        """Return an environment in which packages come from the mirror directory, and nothing from the network."""
        base = f"file://{self.top}/mirror"
        return {
            **self.env,
            "FPACK_ROOT": str(root),
            "FPACK_MIRROR": f"debian={base}/debian debian-security={base}/debian-security only",
        }


def fpack_cases(setting: Setting) -> list[Case]:
    top, lock = setting.top, ["--lock", str(setting.lock), "--frozen"]
    empty, filled = setting.with_mirror(top / "empty"), setting.with_mirror(top / "filled")
    out = ["-o", str(top / "out.tar")]

    def fresh(run: int) -> None:
        # A new directory for each run: deleting inodes makes ext4 slow for half a minute.
        empty["FPACK_ROOT"] = str(top / f"empty{run}")

    def change(run: int) -> None:
        (top / "project" / "fpack.fp").write_text(PROJECT % (run * 1000 + os.getpid()))

    pack = [setting.fpack, "pack", "postgres", *lock, *out]
    image = [setting.fpack, "pack", *lock, *out]
    return [
        Case("pack, empty store", pack, empty, top, fresh),
        Case("pack, nothing changed", pack, filled, top),
        Case("pack, configuration changed", image, filled, top / "project", change),
        Case("fpack --version", [setting.fpack, "--version"], filled, top),
        Case("fpack why", [setting.fpack, "why", "postgres", "libicu76", *lock], filled, top),
        Case("fpack size", [setting.fpack, "size", "postgres", *lock], filled, top),
    ]


def peer_cases(setting: Setting) -> list[Case]:
    """Return the cases of the peers that are installed. Both need root."""
    top = setting.top
    env = {**os.environ}
    cases = []
    if shutil.which("mmdebstrap") and os.geteuid() == 0:
        debs = top / "debs"
        debs.mkdir(exist_ok=True)
        for deb in (top / "mirror").rglob("*.deb"):
            os.link(deb, debs / deb.name)
        # The first run, which does not count, downloads packages that fpack does not need, and keeps them for later
        # ones.
        script = (
            f"rm -rf {top}/mm && mmdebstrap --quiet --variant=minbase --include=postgresql-17 --mode=root"
            " --skip=cleanup/apt/cache"
            " --aptopt='APT::Install-Recommends \"false\"' --aptopt='Acquire::Check-Valid-Until \"false\"'"
            f' --setup-hook=\'mkdir -p "$1"/var/cache/apt/archives && cp {debs}/*.deb "$1"/var/cache/apt/archives\''
            f" trixie {top}/mm {_apt_mirror()} && mv -n {top}/mm/var/cache/apt/archives/*.deb {debs}/;"
            f" tar -C {top}/mm --exclude=./var/cache -c . | zstd -q -9 -T2 -f -o {top}/mm.tar.zst"
        )
        peer = "pack, empty store"
        cases.append(Case("mmdebstrap + tar | zstd -9", ["sh", "-c", script], env, top, peer_of=peer))
    if shutil.which("podman") and os.geteuid() == 0:
        context = top / "context"
        _unpack(setting, context)
        (top / "containers.conf").write_text(
            '[containers]\ndefault_ulimits=["nofile=1024:1024","nproc=1000:1000"]\n'
            '[engine]\nruntime="runc"\ncgroup_manager="cgroupfs"\nevents_logger="file"\n'
        )
        podman = f"podman --root {top}/podman --runroot {top}/podman-run"
        script = (
            f"{podman} build -q --no-cache -t bench -f - {context} >/dev/null <<X\nFROM scratch\nCOPY root /\n"
            f'ENTRYPOINT ["/x"]\nX\nrm -f {top}/podman.tar && {podman} save -q -o {top}/podman.tar bench'
        )
        env = {**env, "CONTAINERS_CONF": str(top / "containers.conf")}
        peer = "pack, nothing changed"
        cases.append(Case("podman build (COPY) + save", ["sh", "-c", script], env, top, peer_of=peer))
    return cases


def _unpack(setting: Setting, context: Path) -> None:
    """Unpack the image's files into a directory, from which podman copies them."""
    setting.run(
        "pack", "postgres", "--lock", str(setting.lock), "--compress", "none", "--format", "oci-dir", "-o", "layout"
    )
    root = context / "root"
    root.mkdir(parents=True)
    layout = setting.top / "layout"
    index = json.loads((layout / "index.json").read_text())
    blobs = layout / "blobs" / "sha256"
    manifest = json.loads((blobs / index["manifests"][0]["digest"].partition(":")[2]).read_text())
    for layer in manifest["layers"]:
        subprocess.run(["tar", "-xf", str(blobs / layer["digest"].partition(":")[2]), "-C", str(root)], check=True)


def _apt_mirror() -> str:
    """Return the URL of the mirror of Debian that this machine uses."""
    from fpack.builders.debian.mirrors import find_mirrors

    return next(base.url for base in find_mirrors(None).bases if base.archive == "debian")


def main() -> None:
    """Measure the cases and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fpack-bench-", ignore_cleanup_errors=True) as place:
        setting = Setting(Path(place))
        cases = [*fpack_cases(setting), *peer_cases(setting)]
        medians = measure(cases, options.runs, Path(place) / "log")
        print(table(cases, medians))
        if options.json:
            options.json.write_text(json.dumps({name: run._asdict() for name, run in medians.items()}, indent=1))
        subprocess.run(["chmod", "-R", "u+w", place], check=False)


if __name__ == "__main__":
    main()
