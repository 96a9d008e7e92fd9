"""Try a project as a newcomer would: `fpack init`, `build`, `pack`, and a run of the image in fpack's sandbox."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from corpus import crates_stand_in, maven_stand_in
from corpus.projects import CorpusProject
from corpus.sources import SourceUnavailable, unpack

STEPS = ("init", "build", "pack", "run")
_LOCK = "fpack lock"  # a step that `fpack init` names where a build tool has to resolve its libraries first
LIMIT = 1500.0  # seconds that a step may take
_ANSWER = 90.0  # seconds until a server answers

Result = dict[str, Any]


class StepFailed(Exception):
    """A step of a trial failed. step: one of STEPS, or "fetch"; what: the end of what was printed."""

    def __init__(self, step: str, what: str) -> None:
        super().__init__(step, what)
        self.step = step
        self.what = what


class Corpus:
    """A work directory with the archives and the projects.

    program: the command of fpack; store: by default one in the directory.
    """

    def __init__(self, work: Path, program: Path | None = None, store: Path | None = None) -> None:
        self._work = work
        self._program = program or Path(sys.executable).with_name("fpack")
        home = work / "home"
        home.mkdir(parents=True, exist_ok=True)
        settings = Path("~/.m2/settings.xml").expanduser()  # mirrors of the machine's Maven
        (home / ".m2").mkdir(exist_ok=True)
        (home / ".m2/settings.xml").unlink(missing_ok=True)
        self._crates: crates_stand_in.CratesServer | None = None
        self._has_mirrors = settings.is_file()
        if self._has_mirrors:
            shutil.copy(settings, home / ".m2")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("FPACK_", "XDG_"))}
        self._environment = {
            **kept,
            "HOME": str(home),
            "FPACK_ROOT": str(store or work / "root"),
            "FPACK_GC_AUTOMATIC": "0",
        }

    def attempt(self, project: CorpusProject) -> Result:
        """Try one project without edits. If its build fails, `fpack fix` may add what it lacks; then known edits do."""
        result: Result = {"name": project.name, "version": project.version, "kind": project.kind}
        start = time.monotonic()
        directory = self._work / "projects" / project.name
        try:
            where = unpack(project, self._work / "archives", directory)
            self._serve_crates(where)
            found = self._init(where, result)
            if any(_LOCK in todo for todo in found["todo"]):
                self._lock(project, where, result)
            try:
                self._build(where, found["package"], result)
                self._use(project, where, found, result)
            except StepFailed as failure:
                if not project.edits:
                    raise
                result["unedited"] = {"step": failure.step, "what": failure.what}
                edit(where / "fpack.fp", project.edits)
                result["edits"] = len(project.edits)
                self._build(where, found["package"], result)
                self._use(project, where, found, result)
            result["works"] = True
        except StepFailed as failure:
            result |= {"works": False, "step": failure.step, "what": failure.what}
        except SourceUnavailable as error:
            result |= {"works": False, "step": "fetch", "what": str(error)}
        result["seconds"] = round(time.monotonic() - start)
        shutil.rmtree(directory, ignore_errors=True)
        return result

    def _init(self, where: Path, result: Result) -> Mapping[str, Any]:
        found: dict[str, Any] = json.loads(self._fpack("init", where, ["init", "--json"], result))
        result["file"] = found["text"]
        result["todo"] = found["todo"]
        return found

    def _lock(self, project: CorpusProject, where: Path, result: Result) -> None:
        """Let the build tool resolve its libraries, from the mirrors of the machine's Maven."""
        if not self._has_mirrors and maven_stand_in.is_needed():
            maven_stand_in.start(self._program, self._work, self._environment, project.artifacts)
        try:
            self._fpack("lock", where, ["lock"], result)
        except StepFailed as failure:
            raise StepFailed("build", failure.what) from None

    def _serve_crates(self, where: Path) -> None:
        """Let a Rust project resolve its crates again if crates.io cannot be reached: its lock has other ones."""
        if (where / "Cargo.toml").exists() and crates_stand_in.is_needed():
            self._crates = self._crates or crates_stand_in.start(self._work)
            self._crates.prepare(where, Path(self._environment["HOME"]))
            for lock in where.rglob("Cargo.lock"):
                lock.unlink()

    def _build(self, where: Path, package: str, result: Result) -> None:
        """Build the package; if that fails, `fpack fix` adds what is missing to the file."""
        build = ["build", f"fpack.fp#{package}", "--json"]
        try:
            result["built"] = json.loads(self._fpack("build", where, build, result))
        except StepFailed as failure:
            first, seconds = failure, result["build_seconds"]
            before = (where / "fpack.fp").read_text()
            for options in ([], ["--no-check"]):
                try:
                    self._fpack("build", where, ["fix", *options, package], result)
                    break
                except StepFailed as stopped:
                    seconds += result["build_seconds"]
                    result["fix_what"] = stopped.what
                    if options or "fpack fix --no-check" not in stopped.what:
                        # What the first build said is what a newcomer reads.
                        raise first from None
            result["build_seconds"] = round(seconds + result["build_seconds"], 1)
            if (where / "fpack.fp").read_text() != before:
                result["fixed"] = " ".join(["fix", *options])
            result["built"] = json.loads(self._fpack("again", where, build, result))

    def _use(self, project: CorpusProject, where: Path, found: Mapping[str, Any], result: Result) -> None:
        """Pack and run the program, or load the library."""
        built = result.pop("built")
        if project.library:
            self._load(project, where, found["package"], built, result)
            return
        if found["library"]:
            raise StepFailed("init", "it is taken for a library, and has a program")
        image = where.parent / f"{where.name}.tar"
        self._fpack("pack", where, ["pack", "-o", str(image)], result)
        result["size"] = image.stat().st_size
        command = ["try", "--no-observe", *(["--command", shlex.join(project.args)] if project.args else [])]
        if project.port:
            self._serve(project, where, command, result)
        else:
            output = self._fpack("run", where, command, result, project.status)
            _expect(project, output)
        image.unlink()

    def _load(
        self, project: CorpusProject, where: Path, package: str, built: Mapping[str, Any], result: Result
    ) -> None:
        """Show that a library is there: its files, or a program that loads it."""
        paths = [Path(self._environment["FPACK_ROOT"], "store", Path(path).name) for path in _paths(built)]
        for pattern in project.produces:
            if not any(next(path.glob(pattern), None) for path in paths):
                raise StepFailed("build", f"the package has no {pattern}")
        if project.words:
            command = ["try", f"fpack.fp#{package}", "--no-observe", "--", *project.words]
            _expect(project, self._fpack("run", where, command, result))

    def _fpack(self, step: str, where: Path, words: Sequence[str], result: Result, status: int = 0) -> str:
        start = time.monotonic()
        try:
            done = subprocess.run(
                [self._program, *words], cwd=where, env=self._environment, stdin=subprocess.DEVNULL,
                capture_output=True, text=True, errors="replace", timeout=LIMIT, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise StepFailed(step, f"it did not end within {LIMIT:.0f} seconds") from None
        finally:
            result[f"{step}_seconds"] = round(time.monotonic() - start, 1)
        if done.returncode != status:
            raise StepFailed(step, f"exit status {done.returncode}: {_end(done.stderr or done.stdout)}")
        return done.stdout + (done.stderr if step == "run" else "")

    def _serve(self, project: CorpusProject, where: Path, words: Sequence[str], result: Result) -> None:
        """Start the server of the image, and wait for its answer."""
        start = time.monotonic()
        log = where.parent / "log"
        with open(log, "wb") as output:
            process = subprocess.Popen(
                [self._program, *words], cwd=where, env=self._environment, stdin=subprocess.DEVNULL,
                stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        try:
            why = "nothing answers"
            while time.monotonic() - start < _ANSWER and process.poll() is None:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{project.port}{project.request}", timeout=10) as got:
                        text = got.read(1 << 20).decode("utf-8", "replace")
                except urllib.error.HTTPError as error:
                    text = f"status {error.code}"
                except OSError as error:
                    why = str(error)
                    time.sleep(0.5)
                    continue
                _expect(project, text)
                return
            raise StepFailed("run", f"{why}: {_end(log.read_text(errors='replace'))}")
        finally:
            result["run_seconds"] = round(time.monotonic() - start, 1)
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()


def edit(file: Path, edits: Sequence[tuple[str, str]]) -> None:
    """Make a list of edits in a project's file. Raise StepFailed if one has nothing to change."""
    text = file.read_text()
    for old, new in edits:
        if old not in text:
            raise StepFailed("init", f"the edit of {old!r} finds nothing to change")
        text = text.replace(old, new, 1)
    file.write_text(text)


def _paths(built: Any) -> list[str]:
    """Return the store paths in what `fpack build --json` prints."""
    return sorted(set(re.findall(r"/fpack/store/[^\"\s/]+", json.dumps(built))))


def _expect(project: CorpusProject, output: str) -> None:
    if not re.search(project.expect, output, re.MULTILINE):
        raise StepFailed("run", f"{project.expect!r} is not in: {_end(output)}")


def _end(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-40:])[-3000:]
