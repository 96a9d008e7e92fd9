"""The two places in which a package is tried: fpack's image of it, and a plain Debian in which apt installed it.

Both are containers of the same podman without a network. Each case gets a directory that is mounted as /work.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from fpack.builders.debian.mirrors import find_mirrors
from packages.cases import Case
from support.processes.podman import Container, Podman

LIMIT = 240.0  # seconds that a command may take, or a server until it answers
_STAYS = 3.0  # seconds that a server must still run after its answer
_ANIMATION = 20.0  # seconds after which keys are typed though a program in a terminal still writes
_CLIENT = Path(__file__).with_name("client.py")
_KEY = "${KEY}"


class Failure(Exception):
    """A package does not work. kind: a class of failures in one word; what: what was seen."""

    def __init__(self, kind: str, what: str) -> None:
        super().__init__(kind, what)
        self.kind = kind
        self.what = what


class Fpack:
    """fpack, run by a user with the directory `home`. store: below it, if none is given."""

    def __init__(self, home: Path, store: Path | None = None) -> None:
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("FPACK_", "XDG_"))}
        self._environment = {
            **kept,
            "HOME": str(home),
            "FPACK_ROOT": str(store or home / "root"),
            "FPACK_GC_AUTOMATIC": "0",
        }

    def pack(self, case: Case, file: Path, closure: str = "") -> tuple[str, int, float]:
        """Pack the case's package; return what is printed, the compressed size, and the processor time in seconds."""
        what = f"debian.{case.release}.{case.name}"
        if closure or case.fpack_extra:
            names = ", ".join(f'debian."{name}"' for name in (case.name, *case.fpack_extra))
            chosen = f', closure = "{closure}"' if closure else ""
            project = file.with_suffix(".fp")
            project.write_text(
                f'debian = import("fpack/debian").{case.release}\n'
                f"image = container {{ packages = [{names}]{chosen} }}\n"
            )
            what = f"{project}#image"
        command = ["pack", what, "-o", str(file), *(["--accept-expired"] if case.release == "sid" else [])]
        before = os.times()
        text = self(*command)
        after = os.times()
        size = json.loads(self(*command, "--json"))["size_compressed"]
        children = after.children_user + after.children_system - before.children_user - before.children_system
        return text, size, children

    def __call__(self, *arguments: str) -> str:
        """Run fpack, and return what it prints."""
        program = Path(sys.executable).with_name("fpack")
        try:
            result = subprocess.run(
                [program, *arguments],
                cwd=self.home,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=1800,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Failure("pack", "fpack pack did not end within 30 minutes") from None
        if result.returncode:
            raise Failure("pack", f"fpack exits with {result.returncode}: {result.stderr.strip()[-1500:]}")
        return result.stdout


class Share:
    """The directory /work of a case, and the files that are mounted elsewhere."""

    def __init__(self, case: Case, directory: Path) -> None:
        self.directory = directory
        shutil.rmtree(directory, ignore_errors=True)
        (directory / "work").mkdir(parents=True)
        (directory / "work").chmod(0o777)
        self.key = directory / "key"
        options = ["-v", f"{directory}/work:/work"]
        for number, (path, text) in enumerate(case.files.items()):
            below = path.startswith("/work/")
            file = directory / path[1:] if below else directory / f"file{number}"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text.replace(_KEY, self._public_key()) if _KEY in text else text)
            file.chmod(0o755 if text.startswith("#!") else 0o600 if _KEY in text else 0o644)
            if not below:
                options += ["-v", f"{file}:{path}"]
        self.options = (*options, *case.options)

    def _public_key(self) -> str:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key], check=True)
        return self.key.with_suffix(".pub").read_text()


class Image:
    """fpack's image of a package."""

    def __init__(self, podman: Podman, fpack: Fpack, case: Case, directory: Path) -> None:
        self._podman = podman
        self._case = case
        self._share = Share(case, directory)
        file = directory / "image.tar"
        text, self.size, self.seconds = fpack.pack(case, file)
        lines = [line.strip() for line in text.splitlines() if line.strip().startswith("podman run")]
        if not lines:
            raise Failure("pack", f"no line to run is printed:\n{text}")
        self.line = lines[-1]
        self._image = podman.load(file)
        file.unlink()

    def run_steps(self) -> str:
        """Run the steps, each in a container of its own, and return what the last one writes."""
        output = ""
        options = _without_ports(shlex.split(self.line))
        for step in self._case.steps:
            entrypoint = ["--entrypoint", step[0]]
            words = ["--rm", "-w", "/work", *options, *self._share.options, *entrypoint, self._image, *step[1:]]
            output = _command(self._podman, "run", words, self._case, last=step is self._case.steps[-1])
        return output

    def serve(self) -> str:
        """Start the server by the printed line, and return its answer."""
        options = _without_ports(shlex.split(self.line))
        result = self._podman(
            "run", "-d", "--network=none", *options, *self._share.options, self._image, check=False, timeout=LIMIT
        )
        if result.returncode:
            raise Failure("start", (result.stdout + result.stderr).strip()[-1500:])
        container = Container(self._podman, result.stdout.strip())
        return _answer(self._podman, container, self._case, self._share, own=True)

    def close(self) -> None:
        """Remove the image and its containers."""
        self._podman("rm", "-af", "-t", "0", check=False)
        self._podman("rmi", "-af", check=False)
        self._podman("volume", "prune", "-f", check=False)
        shutil.rmtree(self._share.directory, ignore_errors=True)


def _without_ports(line: Sequence[str]) -> list[str]:
    """Return the options of a printed `podman run` line but --rm, -it, the ports, and the image with its arguments."""
    words = list(line[2:])
    result = []
    while words and words[0].startswith("-"):
        word = words.pop(0)
        if word in ("-p", "--publish"):
            words.pop(0)
        elif word in ("-v", "--volume", "-e", "--env", "-u", "--user", "--tmpfs", "--name"):
            result += [word, words.pop(0)]
        elif word not in ("--rm", "-it", "-i", "-t", "-d"):
            result.append(word)
    return result


class Debian:
    """A release of Debian in podman: as small as debian:RELEASE-slim, with apt's lists and a cache of packages."""

    # What the slim images leave out, and how images of Debian install packages.
    _SLIM = (
        "path-exclude=/usr/share/doc/*",
        "path-include=/usr/share/doc/*/copyright",
        "force-unsafe-io",
        *(f"path-exclude=/usr/share/{name}/*" for name in ("man", "info", "locale", "groff", "linda", "lintian")),
    )

    def __init__(self, podman: Podman, home: Path, release: str) -> None:
        self.release = release
        self._podman = podman
        self._cache = home / f"debs-{release}"
        (self._cache / "partial").mkdir(parents=True, exist_ok=True)
        self.root = home / f"{release}.tar"
        self._image = f"localhost/plain-{release}"
        self._size = 0  # of the root, as soon as it is an image
        if not self.root.exists():
            self._make()

    def _make(self) -> None:
        hooks = [f'echo {shlex.quote(line)} >> "$1/etc/dpkg/dpkg.cfg.d/slim"' for line in self._SLIM]
        mirror = find_mirrors().urls("debian", "dists")[0].removesuffix("/dists")
        partial = self.root.with_suffix(".partial.tar")
        command = ["mmdebstrap", "--quiet", "--variant=minbase", "--skip=cleanup/apt/lists"]
        command += ["--aptopt=Acquire::Check-Valid-Until false", "--include=netbase"]
        command += [f'--setup-hook=mkdir -p "$1/etc/dpkg/dpkg.cfg.d"; {"; ".join(hooks)}']
        command += [self.release, str(partial), f"deb {mirror} {self.release} main"]
        result = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if result.returncode:
            raise Failure("debian", f"mmdebstrap: {result.stderr[-1500:]}")
        partial.rename(self.root)

    @contextlib.contextmanager
    def install(self, case: Case, directory: Path) -> Iterator[Installed]:
        """Install the case's package in a container."""
        if self._podman("image", "exists", self._image, check=False).returncode:
            self._podman("import", str(self.root), self._image, timeout=600)
            mounted = self._podman("image", "mount", self._image).stdout.strip()
            self._size = _layer_size(Path(mounted))
            self._podman("image", "umount", self._image, check=False)
        share = Share(case, directory)
        names = (case.name, *case.debian_extra, *case.fpack_extra)
        apt = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold"]
        cache = ("-v", f"{self._cache}:/var/cache/apt/archives", "-e", "DEBIAN_FRONTEND=noninteractive")
        got = self._podman(
            "run", "--rm", "--network=host", *cache, self._image,
            *apt, "-o", "APT::Sandbox::User=root", "--download-only", *names,
            check=False, timeout=1200,
        )  # fmt: skip
        if got.returncode:
            raise Failure("apt", got.stderr.strip()[-800:])
        options = ("--network=none", *cache, *share.options, "-w", "/work")
        name = self._podman("run", "-d", *options, self._image, "sleep", "infinity").stdout.strip()
        container = Container(self._podman, name)
        try:
            # Init scripts must not start servers while they are installed: the case does.
            container.exec(
                "sh", "-c", "printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d"
            )
            done = container.exec(*apt, "--no-download", *names, check=False, timeout=1200)
            if done.returncode:
                raise Failure("apt", (done.stdout + done.stderr).strip()[-800:])
            container.exec("rm", "/usr/sbin/policy-rc.d")
            yield Installed(self._podman, container, case, share, self._size)
        finally:
            self._podman("rm", "-f", "-t", "0", name, check=False, timeout=1200)
            self._podman("volume", "prune", "-f", check=False)
            shutil.rmtree(share.directory, ignore_errors=True)
            for file in self._cache.glob("*.deb"):
                file.unlink()


class Installed:
    """A container of Debian in which a package is installed."""

    def __init__(self, podman: Podman, container: Container, case: Case, share: Share, root_size: int) -> None:
        self._podman = podman
        self._container = container
        self._case = case
        self._share = share
        self._root_size = root_size

    def size(self) -> int:
        """Return the size of the root as one layer, and of what apt added as another, with fpack's default codec.

        Both without apt's lists and packages. The storage is overlay: what was added is the container's directory.
        """
        added = self._podman("inspect", "-f", "{{.GraphDriver.Data.UpperDir}}", self._container.name).stdout.strip()
        return self._root_size + _layer_size(Path(added))

    def run_steps(self) -> str:
        """Run the steps, and return what the last one writes."""
        output = ""
        for step in self._case.steps:
            words = [self._container.name, *step]
            output = _command(self._podman, "exec", words, self._case, last=step is self._case.steps[-1])
        return output

    def serve(self) -> str:
        """Start the server as Debian does, and return its answer."""
        start = self._case.debian or f"service {shlex.quote(self._case.name)} start"
        self._container.exec("sh", "-c", f"( {start} ) </dev/null >/work/log 2>&1 &", timeout=LIMIT)
        try:
            return _answer(self._podman, self._container, self._case, self._share, own=False)
        except Failure as failure:
            log = (self._share.directory / "work" / "log").read_text(errors="replace")
            raise Failure(failure.kind, f"{failure.what}\n{log.strip()[-1000:]}") from None


def _layer_size(directory: Path) -> int:
    """Return the compressed size of a directory, less apt's lists and packages."""
    script = 'tar -C "$1" --exclude=./var/cache/apt --exclude=./var/lib/apt/lists -c . | zstd -q -9 | wc -c'
    return int(subprocess.run(["sh", "-c", script, "sh", directory], capture_output=True, text=True, check=True).stdout)


def _command(podman: Podman, verb: str, words: Sequence[str], case: Case, last: bool) -> str:
    """Run one step by `podman run` or `podman exec`; return its output if it is as expected."""
    network = ["--network=none"] if verb == "run" else []
    if case.tty and last:
        status, output = _in_terminal(
            podman.command(verb, *network, "-it", "-e", "TERM=xterm", *words), case.expect, case.keys
        )
    else:
        stdin = case.stdin if last else None
        interactive = ["-i"] if stdin is not None else []
        try:
            result = podman(verb, *network, *interactive, *words, check=False, timeout=LIMIT, input=stdin)
        except subprocess.TimeoutExpired:
            raise Failure("hangs", f"{' '.join(words[-4:])} did not end within {LIMIT:.0f} seconds") from None
        status, output = result.returncode, result.stdout + result.stderr
    if last and not re.search(case.expect, output, re.MULTILINE):
        raise Failure(
            "status" if status != case.status else "output", f"exit status {status}: {output.strip()[-1500:]}"
        )
    if status != (case.status if last else 0):
        raise Failure("status", f"{' '.join(words[-4:])}: exit status {status}: {output.strip()[-1500:]}")
    return output


def _in_terminal(command: Sequence[str], expect: str, keys: str) -> tuple[int, str]:
    """Run a command in a terminal of 80 x 24; type `keys` when `expect` has been shown."""
    pid, terminal = pty.fork()
    if pid == 0:
        termios.tcsetwinsize(0, (24, 80))
        os.execvp(command[0], command)
    output, typed = "", False
    end = time.monotonic() + LIMIT / 2
    busy = time.monotonic() + _ANIMATION
    try:
        while time.monotonic() < end:
            silent = True
            if select.select([terminal], [], [], 0.5)[0]:
                silent = False
                try:
                    data = os.read(terminal, 65536)
                except OSError:
                    data = b""
                if not data:
                    break
                output += data.decode("utf-8", "replace")
            if not typed and (silent or time.monotonic() > busy) and re.search(expect, output, re.MULTILINE):
                os.write(terminal, keys.encode())
                typed = True
        else:
            os.kill(pid, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), output
    finally:
        os.close(terminal)


def _answer(podman: Podman, container: Container, case: Case, share: Share, own: bool) -> str:
    """Send the case's request until the answer is as expected. own: the server is the container's first process."""
    kind, *arguments = case.request
    pid = podman("inspect", "-f", "{{.State.Pid}}", container.name).stdout.strip()
    end = time.monotonic() + LIMIT / 2
    answer = ""
    while time.monotonic() < end:
        if own and not container.running():
            raise Failure("exits", container.logs().strip()[-1500:] or "without a word")
        if kind == "exec":
            result = container.exec(*arguments, check=False, timeout=LIMIT)
            status, answer = result.returncode, result.stdout + result.stderr
        else:
            values = [*arguments]
            if kind == "unix":
                values[0] = f"/proc/{pid}/root{values[0]}"
            elif kind == "ssh":
                values.insert(1, str(share.key))
            client = ["nsenter", "--net", "-t", pid, sys.executable, str(_CLIENT), json.dumps([kind, *values])]
            asked = subprocess.run(client, capture_output=True, timeout=LIMIT, check=False)
            status, answer = asked.returncode, (asked.stdout + asked.stderr).decode("latin-1")
        if status == 0 and re.search(case.expect, answer, re.MULTILINE):
            time.sleep(_STAYS)
            if own and not container.running():
                raise Failure("exits", f"after its answer: {container.logs().strip()[-1500:]}")
            return answer
        time.sleep(1)
    logs = container.logs().strip()[-1000:] if own else ""
    raise Failure("silent", f"the last answer: {answer.strip()[-500:]}\n{logs}")
