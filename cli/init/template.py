"""Render an fpack.fp from a guess. All functions are pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from fpack.builders.debian.suites import UBUNTU_VERSIONS

from .guess import Guess, text

# The release that packages use if they do not name one.
DEFAULT_RELEASE = "trixie"
# A comment that begins so says what the user has left to do: a command that fails says it again.
TODO = "to do: "
# Kinds whose programs an interpreter runs.
_INTERPRETED = frozenset({"python", "node", "ruby", "php", "maven", "gradle"})
_KEYWORDS = {
    "let", "in", "if", "then", "else", "for", "or", "true", "false", "null", "assert", "__debug__", "__builtins__",
}  # fmt: skip
# Names that the rendered file or the library uses.
_RESERVED = {"debian", "ubuntu", "image", "shell", "container", "package", "import", "fetch", "files", "settings"}


def render(guess: Guess, release: str) -> str:
    """Render the file: the package, an image of it, and a shell to work on it."""
    attribute = attribute_of(guess)
    packages = guess.release or release
    of = "ubuntu" if packages in UBUNTU_VERSIONS else "debian"
    parts = [
        f'{of} = import("fpack/{of}").{packages}\n',
        _call(attribute, guess.call, _package(guess, release), _change(guess)),
        *([] if guess.library else [_call("image", guess.image_call, _image(guess, attribute, of))]),
        _call("shell", "shell", [("name", text(attribute)), ("packages", _packages(guess, attribute, of))]),
    ]
    todo = "".join(f"# {TODO}{_one_line(line)}\n" for line in guess.todo)
    return "\n".join([parts[0], todo + parts[1], *parts[2:]])


def attribute_of(guess: Guess) -> str:
    """Return the name of the file's field for the package: the package's name, made valid, or `app`."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", guess.name).strip("-").lower()
    name = re.sub(r"-+", "-", name)
    usable = re.fullmatch(r"[A-Za-z_]\w*(-\w+)*", name)
    return name if usable and name not in _KEYWORDS | _RESERVED | {guess.call} else "app"


def _one_line(line: str) -> str:
    """Return a text without characters that end a comment, or that cannot be seen."""
    return "".join(c if c.isprintable() else " " for c in line)


def _package(guess: Guess, release: str) -> list[tuple[str, str]]:
    fields = [("name", text(guess.name))]
    if guess.version is not None:
        fields.append(("version", text(guess.version)))
    if release != DEFAULT_RELEASE and guess.release is None:
        fields.append(("release", text(release)))
    own = dict(guess.fields).get("source")
    rest = [field for field in guess.fields if field[0] != "source"]
    return [*fields, ("source", own or "./."), *rest]


def _image(guess: Guess, attribute: str, of: str) -> list[tuple[str, str]]:
    if guess.image is not None:
        return [(field, attribute if value == "@" else value) for field, value in guess.image]
    by_shell = bool(guess.first or guess.secrets)
    names = [*(["dash"] if by_shell else []), *guess.image_packages]
    listed = ", ".join([attribute, *(_selected(of, name) for name in names)])
    fields = [("packages", f"[{listed}]"), ("closure", text("linked"))]
    if guess.entrypoint is not None and by_shell:
        first = f"{shlex.join(guess.first)} && " if guess.first else ""
        command = f"{_asking(guess.secrets)}{first}exec {shlex.join(guess.entrypoint)}"
        fields.append(("entrypoint", f'["/bin/sh", "-c", {_command(command, attribute)}]'))
    elif guess.entrypoint is not None:
        words = [_word(word, attribute) for word in guess.entrypoint]
        fields.append(("entrypoint", f"[{', '.join(words)}]"))
    if guess.ports:
        fields.append(("ports", f"[{', '.join(map(str, guess.ports))}]"))
    if guess.directories:
        writable = "".join(
            f"{text(path)} = {{ user = {text('nobody')}, group = {text('nogroup')} }}, " for path in guess.directories
        )
        fields.append(("directories", f"{{ {writable[:-2]} }}"))
    env = dict(guess.image_env)
    if guess.call in _INTERPRETED and guess.entrypoint is not None:
        # The user nobody has none, and interpreters and their packages write caches, sockets and settings to it.
        env.setdefault("HOME", guess.directories[0] if guess.directories else "/tmp")
    if env:
        own = ", ".join(f"{_field(name)} = {_word(value, attribute)}" for name, value in env.items())
        fields.append(("env", f"{{ {own} }}"))
    if guess.workdir:
        fields.append(("workdir", _word(guess.workdir, attribute)))
    return [*fields, ("user", text("nobody"))]


def _asking(secrets: Sequence[str]) -> str:
    """Return the command of a shell that ends it unless one of these variables is set."""
    if not secrets:
        return ""
    told = f"the secret is missing: podman run -e {secrets[0]}=..."
    return f'[ -n "{"".join(f"${name}" for name in secrets)}" ] || {{ echo {shlex.quote(told)} >&2; exit 1; }}; '


def _change(guess: Guess) -> str:
    """Render what the package does after its phase `install`."""
    if not guess.also_installs:
        return ""
    return '.with(old => {\n  install = old.install + "\\n" + ' + text(guess.also_installs) + "\n})"


def _field(name: str) -> str:
    """Render the name of a variable as one of a field."""
    return name if re.fullmatch(r"[A-Z_][A-Z0-9_]*", name) else text(name)


def _word(word: str, attribute: str) -> str:
    """Render a word of a command. A leading `@` stands for the package's path."""
    return f'"${{{attribute}}}{text(word[1:])[1:]}' if word.startswith("@/") else text(word)


def _command(command: str, attribute: str) -> str:
    """Render a command of the shell, in which `@/` at the start of a word stands for the package's path."""
    return re.sub(r"(?<![^ \"])@/", f"${{{attribute}}}/", text(command))


def _packages(guess: Guess, attribute: str, of: str) -> str:
    """Render the packages of the shell: what the project uses, the build's tools and libraries, and further ones."""
    names = [_selected(of, name) for name in guess.packages]
    own = [f"{attribute}.with {{ source = null }}"] if guess.environment else []
    return f"[{', '.join([*own, f'...{attribute}.tools', f'...{attribute}.libs', *names])}]"


def _selected(of: str, name: str) -> str:
    """Render a package of a release."""
    return f"{of}.{name}" if re.fullmatch(r"[A-Za-z_]\w*(-\w+)*", name) else f"{of}.{text(name)}"


def _call(name: str, function: str, fields: list[tuple[str, str]], change: str = "") -> str:
    lines = [f"  {field} = {value}" for field, value in fields]
    return "\n".join([f"{name} = {function} {{", *lines, "}" + change, ""])
