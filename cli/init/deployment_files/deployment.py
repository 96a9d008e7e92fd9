"""Read how a project is run elsewhere: its Procfile, Dockerfile and compose file. All functions are pure.

They say what no other file says: the port, the variables and the program of the image. What is not taken from them is
shown, since the user expects it.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from typing import NamedTuple

from fpack.cli.init.guess import Guess, shown
from fpack.cli.init.project import Project

DOCKERFILES = ("Dockerfile", "Containerfile")
MAX_TEXT = 1 << 16  # characters of a file that are read
COMPOSE = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
# Variables that configure the tools of another image, or that this one sets itself.
_OTHERS = re.compile(
    r"(PATH|LANG|LC_ALL|HOME|PYTHON[A-Z_]*|PIP_\w+|UV_\w+|POETRY_\w+|VIRTUAL_ENV|DEBIAN_FRONTEND|NPM_\w+|PNPM_\w+|"
    r"YARN_\w+|GO[A-Z]+|CGO_\w+|CARGO_\w+|RUST[A-Z_]*|JAVA_HOME|GEM_\w+|BUNDLE_\w+)\Z"
)
_SHELL = re.compile(r"[|&;<>()`*?]|\$\(")
# What an image of these names is in fpack: a curated image.
_CURATED = re.compile(r"(?:.*/)?(postgres|redis|mariadb|nginx|haproxy)(?::|@|\Z)")
_PORT = re.compile(r"\$\{?PORT\b(?::?-(\d+))?\}?")


class LastStage(NamedTuple):
    """The last stage of a Dockerfile: its instructions, each a name in capitals and the rest of the line."""

    file: str
    instructions: Sequence[tuple[str, str]]

    def all(self, name: str) -> list[str]:
        """Return the rests of the instructions with a name."""
        return [rest for found, rest in self.instructions if found == name]


class Deployment(NamedTuple):
    """A guess with what other files say of its image, and sentences about what they say that is not used."""

    guess: Guess
    unused: Sequence[str]


def deployed(made: Guess, project: Project) -> Deployment:
    """Return a guess with what the project's files for other tools say about the image."""
    unused = services(project)
    if made.library or made.image is not None or made.entrypoint is None:
        return Deployment(made, unused)
    reasons: list[str] = []
    stage = last_stage(project)
    docker = stage.file if stage else ""
    said, file = (web, "Procfile") if (web := _web(project)) else (_command(stage), docker)
    words = [word for text in said for word in _words(text) or ("$",)]  # "$": it needs a shell
    port = _exposed(stage)
    old = made.ports[0] if made.ports else None
    entrypoint, ports = list(made.entrypoint), list(made.ports)
    used = _entrypoint(words, made, project, port or old or 8000)
    if used is not None:
        ports = [bound] if (bound := _bound(used)) else ports
        if used != entrypoint:
            made = made._replace(reasons=[text for text in made.reasons if not text.startswith("the image runs ")])
            reasons.append(f"{file}: the image runs {shown(used)}")
        entrypoint = used
    elif said:
        unused.append(f"{file}: its command {' '.join(said)[:200]}")
    if used is None and port and port != old:
        entrypoint = [_with_port(word, old, port) for word in entrypoint] if old else entrypoint
        ports = [port]
        reasons.append(f"{docker}: port {port}")
    own = dict(made.image_env)
    env = {**own, **{name: value for name, value in _variables(stage) if name not in own}}
    if added := [name for name in env if name not in own]:
        reasons.append(f"{docker}: the image has the variable{'s' if len(added) > 1 else ''} {', '.join(added[:8])}")
    if stage and (installed := _installed(stage)):
        unused.append(f"{docker}: it installs {', '.join(installed[:8])}; add what the program needs to `packages`")
    unused += _other_processes(project)
    guess = made._replace(
        entrypoint=entrypoint, ports=ports, image_env=list(env.items()), reasons=[*made.reasons, *reasons]
    )
    return Deployment(guess, unused)


def services(project: Project) -> list[str]:
    """Return a sentence about each service of a compose file that is a curated image of fpack."""
    file = project.has(*COMPOSE)
    found = re.findall(r"^[ \t]+image:\s*[\"']?([\w./:@-]+)", project.text(file or "")[:MAX_TEXT], re.MULTILINE)
    names = dict.fromkeys(match[1] for image in found if (match := _CURATED.match(image)))
    return [f"{file}: its service of {name}; fpack pack {name} makes that image" for name in names]


def last_stage(project: Project) -> LastStage | None:
    """Return the last stage of the project's Dockerfile."""
    file = project.has(*DOCKERFILES)
    if file is None:
        return None
    joined = re.sub(r"\\[ \t]*\n(?:[ \t]*#.*\n)*", " ", project.text(file)[:MAX_TEXT])
    found: list[tuple[str, str]] = []
    for line in joined.splitlines():
        name, _, rest = line.strip().partition(" ")
        if name.upper() == "FROM":
            found = []
        elif name and not name.startswith("#"):
            found.append((name.upper(), rest.strip()))
    return LastStage(file, found)


def _words(text: str) -> list[str] | None:
    """Return the words of a command in its exec form, or of one that needs no shell; else None."""
    if text.startswith("["):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, list) and found and all(isinstance(word, str) for word in found) else None
    if _SHELL.search(text):
        return None
    try:
        return shlex.split(text) or None
    except ValueError:
        return None


def _web(project: Project) -> list[str]:
    """Return the command of the process `web`."""
    return re.findall(r"^web:[ \t]*(\S.*)$", project.text("Procfile")[:MAX_TEXT], re.MULTILINE)[:1]


def _other_processes(project: Project) -> list[str]:
    names = [
        name for name in re.findall(r"^([\w-]+):", project.text("Procfile")[:MAX_TEXT], re.MULTILINE) if name != "web"
    ]
    return [f"Procfile: {', '.join(names[:8])}; an image runs one program"] if names else []


def _command(stage: LastStage | None) -> list[str]:
    """Return the texts of a stage's entrypoint and command."""
    return [text for name in ("ENTRYPOINT", "CMD") for text in (stage.all(name)[-1:] if stage else ()) if text]


def _exposed(stage: LastStage | None) -> int | None:
    for rest in stage.all("EXPOSE") if stage else ():
        found = re.match(r"(\d{1,5})(?:/tcp)?\b", rest)
        if found and 0 < int(found[1]) < 65536:
            return int(found[1])
    return None


def _variables(stage: LastStage | None) -> list[tuple[str, str]]:
    """Return the variables of a stage whose values are plain."""
    found: dict[str, str] = {}
    for rest in stage.all("ENV") if stage else ():
        old = re.fullmatch(r"(\w+)\s+([^=].*)", rest)
        try:
            pairs = [f"{old[1]}={old[2]}"] if old else shlex.split(rest)
        except ValueError:
            continue
        for pair in pairs:
            name, equals, value = pair.partition("=")
            plain = equals and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) and "$" not in value
            # A path of that image is none of this one.
            if plain and not _OTHERS.match(name) and not value.startswith(("/", "@/")):
                found[name] = value
    return list(found.items())


def _installed(stage: LastStage) -> list[str]:
    """Return the packages that a stage installs with apt."""
    found: list[str] = []
    for rest in stage.all("RUN"):
        for part in re.findall(r"\bapt(?:-get)?\s+(?:-\S+\s+){0,20}install\s+([^;&|]*)", rest):
            found += [word for word in part.split() if re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", word)]
    return list(dict.fromkeys(found))


def _entrypoint(words: Sequence[str] | None, made: Guess, project: Project, port: int) -> list[str] | None:
    """Return the entrypoint that a command of the project's directory is in the image, or None if that is unknown."""
    if not words:
        return None
    given = [_PORT.sub(lambda found: found[1] or str(port), word) for word in words]
    if any("$" in word or word.startswith("@/") for word in given):
        return None
    program, rest = given[0], given[1:]
    if made.call == "python" and not made.workdir:
        return _python(program, rest, made, project, port)
    if made.call == "node" and program in ("node", "nodejs") and made.entrypoint:
        file = next((word for word in rest if not word.startswith("-")), None)
        plain = (file or "").removeprefix("./")
        # A file that only that image has is at another place here.
        if file is None or not (project.has(plain) or f"@/app/{plain}" in made.entrypoint):
            return None
        at = rest.index(file)
        return [made.entrypoint[0], *rest[:at], f"@/app/{plain}", *rest[at + 1 :]]
    return None


def _python(program: str, rest: list[str], made: Guess, project: Project, port: int) -> list[str] | None:
    """Return the entrypoint of a server or a module of a Python project whose files are in `app` of its output.

    A server that is told no address gets one: its own default is the loopback address, which nothing outside reaches.
    """
    directory = next((word for word in made.entrypoint or () if word == "@/app"), None)
    if program in ("gunicorn", "uvicorn") and not (
        _installs(program, made, project) and _has_application(rest, made, project)
    ):
        return None
    text = " ".join(rest)
    if program == "gunicorn" and directory:
        moved = [] if "--chdir" in text else ["--chdir", directory]
        bound = [] if re.search(r"(^| )(--bind|-b|-c|--config)", text) else ["--bind", f"0.0.0.0:{port}"]
        return ["@/bin/gunicorn", *moved, *bound, *rest]
    if program == "uvicorn" and directory:
        moved = [] if "--app-dir" in text else ["--app-dir", directory]
        bound = [] if re.search(r"--(host|uds|fd)\b", text) else ["--host", "0.0.0.0"]
        bound += [] if re.search(r"--(port|uds|fd)\b", text) else ["--port", str(port)]
        return ["@/bin/uvicorn", *moved, *bound, *rest]
    if program in ("python", "python3") and rest and rest[0].endswith(".py") and project.has(rest[0]):
        inside = any(word.startswith("@/app") for word in made.entrypoint or ())
        return ["@/bin/python3", f"@/app/{rest[0]}", *rest[1:]] if inside else None
    return None


def _installs(program: str, made: Guess, project: Project) -> bool:
    """Return whether the project has a server among its packages."""
    files = ("requirements.txt", "pyproject.toml", "uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "setup.py")
    named = rf"(?<![\w-]){program}(?![\w-])"
    return f"@/bin/{program}" in (made.entrypoint or ()) or any(re.search(named, project.text(f)) for f in files)


def _has_application(words: Sequence[str], made: Guess, project: Project) -> bool:
    """Return whether the project has the module that a server is told to import."""
    named = [word.partition(":")[0] for word in words if re.fullmatch(r"[A-Za-z_][\w.]*:[\w.()]+", word)]
    paths = [module.replace(".", "/") for module in named]
    in_guess = [word.partition(":")[0] for word in made.entrypoint or ()]
    return bool(named) and (
        named[0] in in_guess or project.has(f"{paths[0]}.py", f"{paths[0]}/__init__.py") is not None
    )


def _bound(entrypoint: Sequence[str]) -> int | None:
    """Return the port in the arguments of a server."""
    text = " ".join(entrypoint)
    found = re.search(r"(?:--bind|-b)[ =]\S*:(\d{2,5})\b|--port[ =](\d{2,5})\b", text)
    port = int(found[1] or found[2]) if found else 0
    return port if 0 < port < 65536 else None


def _with_port(word: str, old: int, new: int) -> str:
    return str(new) if word == str(old) else re.sub(rf":{old}\Z", f":{new}", word)
