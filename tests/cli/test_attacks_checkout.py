"""Programs and settings in a stranger's checkout: none is executed, and none sees a variable of the caller."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.attacks.checkout import MODES, SECRET, Checkout, checkouts
from support.needs import needs_bubblewrap
from support.paths import REPOSITORY
from support.servers.httpserver import Server

CLI = REPOSITORY / "cli/fpack"
SYSTEM = "/usr/bin:/bin"
# An absolute PATH, and one whose first entries mean the working directory.
PATHS = {"absolute": "{tools}:" + SYSTEM, "relative": "node_modules/.bin:.:{tools}::" + SYSTEM}


@pytest.fixture(params=MODES)
def world(request: pytest.FixtureRequest) -> Iterator[Checkout]:
    with checkouts(request.param) as made:
        yield made


def variables(world: Checkout, path: str = "relative", **more: str) -> dict[str, str]:
    """Return the caller's variables."""
    return {"PATH": PATHS[path].format(tools=world.tools), "SECRET": SECRET, **more}


def check(world: Checkout, tool: str, **seen: str) -> None:
    """Check that a tool was started outside of the checkout, and saw these variables and not the secret."""
    assert world.ran == []
    started = world.started(tool)
    assert started.cwd == "/" and SECRET not in " ".join(started.environ.values())
    assert started.environ.items() >= seen.items()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", ["npm", "pip", "go"])
def test_a_tool_that_is_asked_where_packages_are(world: Checkout, tmp_path: Path, kind: str, path: str) -> None:
    with Server(tmp_path) as server:
        world.lead_npm_to(server.url)
        own = dict.fromkeys(("NPM_CONFIG_REGISTRY", "PIP_INDEX_URL", "GOPROXY"), f"{server.url}/own")
        world.fpack.fails("build", f"from-{kind}", cwd=world.checkout, env=variables(world, path, **own))
        asked = [path for _, path, _ in server.requests]
    check(world, kind, PATH=f"{world.tools}:{SYSTEM}", HOME=str(world.fpack.home))
    assert asked and all(path.startswith("/own/") for path in asked)


@pytest.mark.parametrize("kind", ["npm", "pip"])
def test_the_real_tool(world: Checkout, tmp_path: Path, kind: str) -> None:
    if not shutil.which(kind, path=SYSTEM):
        pytest.skip(f"{kind} is not installed")
    with Server(tmp_path) as server:
        world.lead_npm_to(server.url)
        env = variables(world, PIP_INDEX_URL=f"{server.url}/own", PIP_FIND_LINKS="", PYTHONPATH="")
        (world.fpack.home / ".npmrc").write_text(f"registry={server.url}/${{TEAM}}\n")
        env |= {"PATH": f".::{SYSTEM}", "TEAM": "own"}
        world.fpack.fails("build", f"from-{kind}", cwd=world.checkout, env=env)
        asked = [path for _, path, _ in server.requests]
    assert world.ran == []
    assert asked and all(path.startswith("/own/") for path in asked)


def test_pip_of_fpacks_own_python(world: Checkout, tmp_path: Path) -> None:
    """PATH has none, and the working directory has one."""
    world.fpack.fails("build", "from-pip", cwd=world.checkout, env=variables(world, PATH=f"{tmp_path}:.:"))
    assert world.ran == []


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("engine", ["podman", "docker"])
def test_an_engine(world: Checkout, engine: str, path: str) -> None:
    seen = {"CONTAINERS_CONF": "/c", "DOCKER_HOST": "unix:///d", "XDG_RUNTIME_DIR": "/run/x"}
    env = variables(world, path, **seen)
    world.fpack("pack", "--load", engine, cwd=world.checkout, env=env)
    check(world, engine, HOME=str(world.fpack.home), **seen)


@pytest.mark.parametrize("path", PATHS)
def test_the_writer_of_a_file_system(world: Checkout, path: str) -> None:
    env = variables(world, path, SOURCE_DATE_EPOCH="1")
    world.fpack("pack", "--format", "squashfs", cwd=world.checkout, env=env)
    check(world, "mksquashfs", LC_ALL="C")
    assert "SOURCE_DATE_EPOCH" not in world.started("mksquashfs").environ


@pytest.mark.parametrize("path", PATHS)
def test_what_compares_two_builds(world: Checkout, path: str) -> None:
    code = (
        "from fpack.cli.builds.reproducibility import _diffoscope; from pathlib import Path\n"
        "print(_diffoscope(Path('a'), Path('b')))"
    )
    command = [*world.fpack.prefix, sys.executable, "-I", "-c", code]
    env = {**world.fpack.env, **variables(world, path)}
    done = subprocess.run(command, cwd=world.checkout, env=env, capture_output=True, text=True)
    assert done.stdout == "['it differs']\n", done.stderr
    check(world, "diffoscope", LC_ALL="C.UTF-8")


_STEAL = """
sha256 = "%s"
integrity = "sha512-%s"
by-fetch = fetch { url = "file://%s", sha256 }
by-link = fetch { url = "file:link", sha256 }
by-hand = derivation { kind = "fetch", name = "x", urls = ["file://%s"], sha256, size = null, executable = false }
by-npm = derivation { kind = "npm", name = "x", url = "file://%s", path = "x", integrity }
by-pip = derivation {
  kind = "pypi", name = "x", project = "x", version = "1", hashes = [sha256], urls = ["file://%s#sha256=${sha256}"]
  optional = false, sources = true, python = "3.13", libc = "2.41", arch = "amd64"
}
own = fetch { url = "file:own", sha256 }
"""


@pytest.mark.parametrize("name", ["by-fetch", "by-link", "by-hand", "by-npm", "by-pip"])
def test_a_file_of_the_users_is_fetched_by_no_project(world: Checkout, name: str) -> None:
    secret = world.fpack.home / "x-1.tar.gz"
    secret.write_text("a key")
    digests = hashlib.sha256(b"a key").hexdigest(), base64.b64encode(hashlib.sha512(b"a key").digest()).decode()
    (world.checkout / "fpack.fp").write_text(_STEAL % (*digests, *[secret] * 4))
    (world.checkout / "link").symlink_to(secret)
    env = {"PIP_INDEX_URL": "http://127.0.0.1:9", "NPM_CONFIG_REGISTRY": "http://127.0.0.1:9"}
    message = world.fpack.fails("build", name, cwd=world.checkout, env=variables(world, "absolute", **env))
    assert "A file URL points outside the project" in message and "refer to it by path" in message
    (world.checkout / "own").write_text("a key")
    world.fpack("build", "own", cwd=world.checkout)


@pytest.mark.parametrize(
    "words",
    [
        *(
            "build",
            "check",
            "closure image",
            "doctor",
            "eval fpack.fp#image.name",
            "fmt --check",
            "init --print",
            "lock",
        ),
        *("pack", "show hello", "size image", "update", "why image hello"),
        *("diff git:HEAD", "outdated", "where hello .", "update hello --security --dry-run"),
    ],
)
def test_a_verb(world: Checkout, words: str) -> None:
    """Whatever comes of it: git and its hooks, version managers and what else lies there have no say in it."""
    world.fpack(*words.split(), cwd=world.checkout, env=variables(world), status=None)
    assert world.ran == []


def test_the_script_that_installs_from_sources(world: Checkout) -> None:
    """Its Python looks for modules of these names while it makes a virtual environment."""
    root = world.checkout.with_name("sources")
    (root / "cli").mkdir(parents=True)
    shutil.copy(CLI, root / "cli/fpack")
    (root / "requirements.txt").touch()
    if world.fpack.prefix:
        for place in (root, root / "cli"):
            os.chown(place, *_owner(world))
    command = [*world.fpack.prefix, "/bin/sh", str(root / "cli/fpack"), "--version"]
    env = {**world.fpack.env, **variables(world), "PATH": f"{SYSTEM}:.::node_modules/.bin"}
    done = subprocess.run(command, cwd=world.checkout, env=env, capture_output=True, text=True)
    # There is nothing to install, so it fails; it has come that far.
    assert done.returncode and "Setting fpack up" in done.stderr
    assert world.ran == []
    if shutil.which("python3", path=SYSTEM):
        assert (root / ".venv/bin/python3").exists(), done.stderr


def _owner(world: Checkout) -> tuple[int, int]:
    status = world.fpack.home.stat()
    return status.st_uid, status.st_gid


# Run with a directory; what a command in a sandbox says, in which that directory is another one.
_ENTER = """
import os, sys, tempfile
from fpack.builders.sandbox.bwrap import find_bwrap
from fpack.builders.sandbox.isolation import Isolation, filter_of
from fpack.cli.shells.sandbox import supervisor
from fpack.cli.shells.sandbox.launch import Launch
from fpack.cli.shells.sandbox.plan import Mount, Plan
traces = sys.argv[1]
isolation = Isolation(os.getuid(), os.getgid(), closed=False)
base, mounts = (Mount("--ro-bind", "/", "/"),), (Mount("--tmpfs", traces),)
env = {"LD_DEBUG": "libs", "LD_DEBUG_OUTPUT": traces + "/obeyed", "PATH": "/usr/bin:/bin", "NAME": "value"}
words = ["/bin/sh", "-c", "echo $NAME $LD_DEBUG; ls -d $LD_DEBUG_OUTPUT.*"]
plan = Plan(isolation, base, mounts, {}, "/")
with tempfile.NamedTemporaryFile(dir=os.path.dirname(traces)) as file:
    file.write(filter_of(isolation))
    file.flush()
    child = supervisor.start(Launch(os.fspath(find_bwrap()), plan, tuple(words), env, file.name), 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@needs_bubblewrap
def test_a_variable_of_a_shell_has_no_say_in_what_makes_it(world: Checkout) -> None:
    """The dynamic loader of bubblewrap itself would obey it, outside of the sandbox."""
    traces = world.fpack.home / "traces"
    traces.mkdir(mode=0o777)
    traces.chmod(0o777)
    command = [*world.fpack.prefix, sys.executable, "-I", "-c", _ENTER, str(traces)]
    done = subprocess.run(command, env=variables(world), capture_output=True, text=True)
    name, *inside = done.stdout.splitlines() or [done.stderr]
    assert name == "value libs" and inside, "the command has the variables"
    assert list(traces.iterdir()) == [], "bubblewrap has them too"
