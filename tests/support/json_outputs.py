"""Run every command that has --json, at least once, and list the outputs by the name of their schema.

The name is the words of the command: `store list` has the schema `store-list-1.schema.json`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import zstandard
from fpack.cli.verbs import VERBS, command_of
from support.archives.archive import Archive, file, link
from support.archives.packages import ESSENTIAL
from support.images.greeter import Greeter
from support.images.pushed import push_with_record
from support.processes.program import Fpack
from support.reports.vulnerabilities import affected, document, entry, state
from support.servers.rebuilders import Rebuilders
from support.servers.registry import Registry, open_registry

Outputs = dict[str, list[Any]]

BROKEN = "a = 1\nb = nowhere\nc(x, y) = x\n"
PROJECT = """
debian = import("fpack/debian").trixie
image = container {
  packages = [debian.hello]
  closure = "linked"
  entrypoint = ["hello"]
  command = ["x"]
  healthcheck = { command = ["hello"] }
}
words = text("words", "some words")
"""


def commands() -> Iterator[str]:
    """Yield the words of every command that has --json."""
    todo: list[tuple[str, click.Command]] = [(verb, command_of(verb)) for verb in VERBS]
    while todo:
        words, command = todo.pop()
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                found = command.get_command(context, name)
                assert found is not None
                todo.append((f"{words} {name}", found))
        elif any(parameter.name == "as_json" for parameter in command.params):
            yield words


class Recorder(NamedTuple):
    """Runs commands with --json and keeps what they print."""

    outputs: Outputs
    fpack: Fpack
    cwd: Path

    def __call__(self, words: str, *args: str | Path, status: int | None = 0) -> Any:
        """Run a command, with `args` after --json, and keep its output under the command's words."""
        done = self.fpack(*words.split(), "--json", *args, cwd=self.cwd, status=status)
        value = json.loads(done.stdout)
        self.outputs.setdefault(words, []).append(value)
        return value


def of_images(run: Recorder, made: Greeter, out: Path) -> None:
    """Pack images, and ask about them in every form."""
    run("pack", "-o", out / "own.tar")
    run("pack", "#image", "debian.trixie.hello", "-o", out)
    for form in ("rootfs-tar", "deb", "rpm"):
        run("pack", "--format", form, "-o", out / f"file.{form}")
    run("pack", "--sbom", "-o", out / "billed.tar")
    run("sbom", "-o", out / "bill.json")
    run("pack", "--no-manifest", "-o", out / "bare.tar", "--platform", "linux/amd64")
    run("pack", "--provenance", "-o", out / "signed.tar")
    for kind in ("provenance", "manifest"):
        run("provenance", out / "signed.tar", "--type", kind, "-o", out / f"{kind}.json")
    with Registry() as registry:
        run("push", out / "signed.tar", f"{registry.host}/team/app:1.0", "--plain-http")
        run("push", out / "signed.tar", f"{registry.host}/team/app:1.0", "--plain-http")
        run("pack", "--push", f"{registry.host}/team/app:1.0", "--plain-http")
        run("patch", f"{registry.host}/team/app:1.0", "--plain-http")
    for kind in ("ed25519", "ecdsa"):
        run("key generate", "-o", out / f"{kind}.pem", "--type", kind)
        run("key show", out / f"{kind}.pub")
    run("sign", out / "signed.tar", "--key", out / "ed25519.pem")
    for name, status in (("ed25519", 0), ("ecdsa", 1)):
        run("verify", out / "signed.tar", "--key", out / f"{name}.pub", status=status)
    pull_of(run, made.tar)
    (out / "bin").mkdir()
    engine = out / "bin" / "podman"
    engine.write_text("#!/bin/sh\ncat > /dev/null\n")
    engine.chmod(0o755)
    before, run.fpack.env["PATH"] = run.fpack.env["PATH"], f"{engine.parent}:{run.fpack.env['PATH']}"
    run("pack", "--load", "podman")
    run.fpack.env["PATH"] = before
    layers = json.loads(made.manifest.read_bytes())["layers"]
    entries = [entry for layer in layers for entry in layer["entries"] if entry["kind"] == "file"]
    built = next(str(entry["path"]) for entry in entries if str(entry["path"]).startswith("/fpack/store/"))
    for verb in ("size", "show"):
        run(verb, out / "bare.tar")
    for image in (made.tar, "#image", "debian.trixie.hello"):
        for verb in ("size", "show", "why", "closure", "graph", "verify"):
            run(verb, image)
        run("why", image, "dash")
        run("report", image, "--html", "-o", out / "report.html")
    for path in ("/usr/bin/hello", "/etc/passwd", "/srv/app/main.sh", "/srv/words", built):
        run("trace", path, made.tar)
        run("why", made.tar, path)
    run("where", "hello", made.tar, out / "bare.tar")
    run("where", "--file", "/usr/bin/hello", made.tar)
    run("closure", made.tar, "--paths")
    run("verify", made.tar, "--offline", "--manifest", made.manifest)
    audits(run, made, out)
    other = out / "everything.tar"
    run("pack", "#everything", "-o", other)
    run("verify", other, "--manifest", made.manifest, status=1)
    run("diff", made.tar, "#image")
    run("diff", made.tar, other)


def of_caches(run: Recorder, out: Path) -> None:
    """Fill a cache, read it, and compare what it says."""
    address = f"file://{out / 'cache'}"
    (run.cwd / "fpack.fp").write_text(PROJECT)
    run("cache push", "#words", "--to", address, "--key", out / "ed25519.pem")
    run.fpack.env |= {"FPACK_CACHES": address, "FPACK_CACHE_KEYS": str(out / "ed25519.pub")}
    run("cache pull", "#words")
    run("cache check", "--content")
    run("challenge", "#words", "--rebuild")
    run("cache gc", address, "--older", "30", "--dry-run")
    run("cache trust", address)
    run("mirror trust", "registry.example/kept")
    run("cache forget", address)
    del run.fpack.env["FPACK_CACHES"], run.fpack.env["FPACK_CACHE_KEYS"]


def audits(run: Recorder, made: Greeter, out: Path) -> None:
    """Audit an image with findings of each kind, and accept some of them."""
    data, accepted = out / "tracker.json", out / "accepted.toml"
    numbers = {
        "CVE-2026-0001": entry(trixie=state("9:1-1", urgency="high")),
        "CVE-2026-0002": entry(trixie=state(nodsa="Minor issue", nodsa_reason="ignored")),
        "CVE-2026-0003": entry(trixie=state()),
        "bad id": entry(trixie=state()),
    }
    data.write_text(json.dumps({"hello": numbers}))
    document_ = document("CVE-2026-0004", affected("npm", "leaf", ("introduced", "0")))
    (out / "osv.json").write_text(json.dumps([document_, {**document_, "id": "GHSA-1", "withdrawn": "x"}]))
    row = '[[accept]]\nid = "{}"\nreason = "tested"\nuntil = {}\n'
    accepted.write_text(row.format("CVE-2026-0001", "2999-01-01") + row.format("CVE-2026-0002", "2020-01-01"))
    options = ("--data", data, "--data", out / "osv.json", "--accepted", accepted, "--ignore", "CVE-2026-0003=tested")
    run("audit", made.tar, *options, status=6)
    run("audit", made.tar, "--data", out / "osv.json", status=6)
    run("vex", made.tar, *options[:2], "-o", out / "vex.json", status=None)
    run("diff", made.tar, made.tar, *options[:2])


def of_rebuilders(run: Recorder, made: Greeter, out: Path) -> None:
    """Ask a server of rebuilders about the packages of an image."""
    with Rebuilders(out / "rebuilders") as servers:
        policy = servers.policy_of(made.manifest, exceptions=1)
        run("rebuilders keys", servers.url)
        run("rebuilders show", made.tar, "--policy", policy, status=1)
        run("rebuilders fetch", made.tar, "--policy", policy, "-o", out / "bundle.json")
        run("verify", made.tar, "--rebuilt", "--policy", policy, status=1)
        run("audit", made.tar, "--data", out / "osv.json", "--rebuilt", "--policy", policy, status=1)
    run("rebuilders fetch", made.tar, "--policy", policy, "-o", out / "none.json", status=6)
    run("rebuilders show", made.tar, "--policy", policy, "--rebuilders", out / "none.json", status=6)


def of_platforms(run: Recorder, out: Path) -> None:
    """Pack an image for two platforms."""
    run("pack", "--platform", "linux/amd64,linux/arm64", "-o", out / "two.tar")
    run("size", out / "two.tar", "--platform", "linux/arm64")
    run("key generate", "-o", out / "key.pem")
    run("sign", out / "two.tar", "--key", out / "key.pem")
    run("verify", out / "two.tar", "--key", out / "key.pub")


def pull_of(run: Recorder, image: Path) -> None:
    """Pull an image of a registry twice."""
    with Registry() as registry:
        push_with_record(run.fpack, image, open_registry(registry))
        for _ in range(2):
            run("pull", f"{registry.host}/team/app:1.0", "--plain-http")


def of_projects(run: Recorder, archive: Archive) -> None:
    """Evaluate, build, lock and look at a project."""
    home = run.cwd
    (home / "fpack.fp").write_text(PROJECT)
    run("show", "debian.trixie.hello")
    run("show")
    run("lock")
    run("lock", "--keep", "./mirror")
    of_mirrors(run)
    run("eval", "words")
    for words in ((), ("#words", "--no-link"), ("#words", "-o", "words")):
        run("build", *words)
    several = ("-e", '{ words = text("words", "some words"), image = import("./fpack.fp").image }')
    run("build", "--no-link", *several)
    for verb in ("closure", "show", "why", "size"):
        run(verb, *several)
    run("closure", "#words")
    run("show")
    run("show", "#words")
    run("show", "debian.trixie.hello")
    (home / "new.fp").write_text(PROJECT.replace("some words", "other words"))
    run("show", "new.fp#words")
    derivation = run("log", "#words", status=None)["derivation"]
    log = home / "store" / "logs" / f"{derivation}.zst"
    log.write_bytes(zstandard.compress(b"it builds\n"))
    run("log", "#words")
    run("history")
    run("search", "hello")
    run("search", "nothing-like-it", status=1)
    run("search", "--file", "hello.h")
    run("search", "--header", "hello.h", status=None)
    run("search", "--lib", "never", status=1)
    run("fix", "words")
    archive.add("hello", "2.11-1", depends="dash", files={"usr/bin/hello": file("#!/bin/sh\n", 0o755)})
    archive.publish()
    before = (home / "fpack.lock").read_bytes()
    run("outdated")
    run("update", "--dry-run")
    run("update")
    (home / "old.lock").write_bytes(before)
    run("diff", "old.lock", "--offline")
    for name, text in (("broken.fp", BROKEN), ("unformatted.fp", "a   =  1\n"), ("wrong.fp", "a = = 1\n")):
        (home / name).write_text(text)
    run("check", "broken.fp", "wrong.fp", status=1)
    run("fmt", "unformatted.fp", "wrong.fp", status=3)
    run("doc")
    for name in ("map", "lists", "lists.take", "postgres", "./fpack.fp"):
        run("doc", name)
    run("config")
    run("config", "gc.min-free")
    run("doctor", "--offline", status=None)
    run("trust")
    run("trust", "--list")
    run("untrust")
    run("untrust")
    project = home / "app"
    project.mkdir()
    (project / "requirements.txt").write_text("flask==3.0\n")
    (project / "package.json").write_text('{"name": "app"}')
    run("init", "app", "--print")
    run("init", "app")


def of_mirrors(run: Recorder) -> None:
    """List, check, fill and clean the mirror of a project's lock, and write it to a bundle."""
    for words in ((), ("--fast",)):
        run("mirror check", "./mirror", *words)
    run("mirror fill", "./copy", "--from", "./mirror")
    run("mirror fill", "./copy")
    next(path for path in (run.cwd / "copy/blobs/sha256").iterdir() if path.stat().st_size < 500).unlink()
    run("mirror check", "./copy", status=1)
    run("mirror list", "./copy")
    run("mirror gc", "./mirror", "--unused", "0", "--dry-run")
    run("mirror gc", "./mirror", "--wanted", "fpack.lock")
    run("bundle", "app.bundle")
    run("bundle", "--unpack", "app.bundle", "-o", "unpacked")


def of_stores(run: Recorder) -> None:
    """List, check, copy and collect the store."""
    run("root list")
    run("root add", "kept", "words")
    run("root list")
    run("store list")
    run("store stats")
    run("store path-info", "words", "hello-2.10-3-slice")
    run("store referrers", "hello-2.10-3-slice")
    run("store closure", "words")
    run("store export", "words", "-o", "words.closure")
    run("store import", "words.closure")
    (run.cwd / "added").write_text("added\n")
    run("store add", "added")
    run("store verify")
    run("store repair")
    damaged = next(path for path in (run.cwd / "store" / "store").glob("*-words") if path.is_file())
    damaged.chmod(0o644)
    damaged.write_text("damaged\n")
    run("store verify", status=1)
    run("store repair", "--forget", status=None)
    run("store migrate")
    run("store rebuild-database")
    run("root remove", "kept")
    run("gc", "--explain", "--dry-run")
    run("gc", "--max-size", "1")
    run("gc")


TOOL = "#!/bin/sh\ncat /usr/share/tool/data\n"
TRIAL = """
debian = import("fpack/debian").trixie
image = container {
  packages = [debian.tool, debian.bash, debian.coreutils]
  rules = { tool = { drop = ["/usr/share/tool"] } }
}
"""


def of_trials(run: Recorder, archive: Archive) -> None:
    """Run an image that lacks a file. archive: of `support.archives.shells.world`, whose programs run."""
    archive.add("tool", files={"usr/bin/tool": file(TOOL, 0o755), "usr/share/tool/data": "data\n"})
    archive.publish()
    (run.cwd / "fpack.fp").write_text(TRIAL)
    run("try", "#image", "--", "sh", "-c", "tool; exit 9", status=9)


def two_platforms(folder: Path) -> Fpack:
    """Return a user with an archive for two architectures, and a project."""
    archive = Archive(folder / "archive", archs=("amd64", "arm64"))
    release = {"usr/lib/os-release": "ID=debian\n", "etc/os-release": link("../usr/lib/os-release")}
    archive.add("base-files", arch="all", files={**release, "etc/debian_version": "13\n"})
    for arch in archive.archs:
        archive.add("hello", arch=arch, files={"usr/bin/hello": file(f"a program for {arch}", 0o755)})
    for name in ESSENTIAL:
        archive.add(name, arch="all")
    archive.publish()
    fpack = Fpack(folder / "home", archive)
    (fpack.home / "fpack.fp").write_text(
        'image = container { packages = [import("fpack/debian").trixie.hello], closure = "linked" }'
    )
    return fpack
