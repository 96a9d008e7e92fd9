"""Guess how a Go project is built and run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from fpack.builders.exec.go_skeleton import imported

from .code.served_port import LOOPBACK, is_loopback
from .guess import LIBRARY, Guess, clean_name, few, shown, text
from .project import Project

# The version of Go of each release, for modules that say which one they need.
GO = {"bookworm": (1, 19), "trixie": (1, 24)}
DEFAULT = "trixie"
NEWER = "forky"
_WITHOUT_GO = f"(without Go: in fpack shell debian.{DEFAULT}.golang-go)"
# Modules that need the C compiler, and the packages with the library that they link with.
_CGO = {
    "github.com/mattn/go-sqlite3": (),
    "github.com/google/gopacket": ("libpcap-dev",),
    "github.com/gopacket/gopacket": ("libpcap-dev",),
    "github.com/veandco/go-sdl2": ("libsdl2-dev",),
    "github.com/go-gl/glfw": ("libgl-dev", "xorg-dev"),
    "github.com/gotk3/gotk3": ("libgtk-3-dev",),
    "github.com/libgit2/git2go": ("libgit2-dev",),
    "github.com/confluentinc/confluent-kafka-go": (),
    "github.com/h2non/bimg": ("libvips-dev",),
    "github.com/davidbyttow/govips": ("libvips-dev",),
    "github.com/tree-sitter/go-tree-sitter": (),
    "gopkg.in/gographics/imagick": ("libmagickwand-dev",),
}
# Calls of the standard library and of frameworks that wait for connections, and how their address is written.
_SERVES = re.compile(
    r"\b(?:ListenAndServe(?:TLS)?|net\.Listen|ListenPacket)\(|\.(?:Run|Start|Listen)\(\s*(?:\"[^\"\n]*:\d+\"|\":\"\s*\+)"
)
_PORTS = (
    re.compile(r"\"[\w.]*:(\d{2,5})\""),
    re.compile(r"\b(?=\w*?[pP]ort)\w++\s*+(?::?=|,)\s*\":?(\d{2,5})\""),
    re.compile(r"\b[pP]ort\"\s*,\s*\"?(\d{2,5})\b"),
    re.compile(r"\b(?=\w*?[pP]ort)\w++\s*+:?=\s*(\d{2,5})\b"),
)
_PACKAGE = re.compile(r"^package\s+\w+", re.MULTILINE)
_IGNORED = ("testdata", "vendor", "examples", "example", "internal/tools", "tools", "hack", "docs", "test", "tests")


def go(project: Project) -> Guess | None:
    """Guess from go.mod, or from Go files at the top of a project that is older than modules."""
    content = project.text("go.mod")
    module = re.search(r"^module\s+(\S+)", content, re.MULTILINE)
    if project.has("go.mod"):
        path = module[1].strip('"') if module else project.name
    elif any(_PACKAGE.search(source) for source in _sources(project, "")):
        path = module_path(project)
    else:
        return None
    base = [part for part in path.split("/") if not re.fullmatch(r"v\d+", part)] or [project.name]
    name = clean_name(re.sub(r"\.v\d+$", "", base[-1]), project)
    reasons = [f"go.mod: the Go module {path}"]
    todo: list[str] = []
    fields: list[tuple[str, str]] = []
    if not project.has("go.mod"):
        reasons, fields = [f"Go files without go.mod, which import each other as {path}"], [("module", text(path))]
    folders = _programs(project)
    library = not folders and any("/" not in file and file.endswith(".go") for file in project.files)
    if "." in folders or not folders:
        program, chosen = base[-1], "."
        if not library and len(folders) > 1:
            reasons.append(f"the program at the top is built; there are others in {few(folders[1:])}")
    else:
        chosen = _chosen(project, folders, name, project.name)
        program = chosen.rpartition("/")[2]
        roots = sorted({folder.partition("/")[0] for folder in folders})
        words = [f"./{roots[0]}/..."] if roots == ["cmd"] else [f"./{folder}" for folder in folders]
        fields.append(("packages", f"[{', '.join(map(text, words))}]"))
        if len(folders) == 1:
            name = clean_name(program, project)
        reasons.append(
            f"{', '.join(words[:3])}: the programs {few(folders)}" if len(folders) > 1 else f"{folders[0]}: the program"
        )
    fields += _locked(project, path, content, reasons, todo)
    fields += _cgo(content, reasons)
    todo += _newer(content)
    if library:
        fields = [*fields, ("packages", '["./..."]'), ("install", '"mkdir -p \\"$out\\" && cp -r . \\"$out/src\\""')]
        reasons.append(LIBRARY)
        return Guess("go", name, None, _build_library(fields), [], None, [], reasons, todo, True)
    entrypoint = [f"@/bin/{program}"]
    port = _port(_texts(project, chosen))
    serves = f", which listens on port {port}" if port else ""
    reasons.append(f"the image runs {shown(entrypoint)}{serves}")
    if port and is_loopback(_texts(project, chosen)):
        reasons.append(LOOPBACK)
    if len(folders) > 1 and chosen != ".":
        reasons.append(f"the image has the other programs too; change `entrypoint` to run {_others(folders, chosen)}")
    return Guess("go", name, None, fields, [], entrypoint, [port] if port else [], reasons, todo)


def _locked(
    project: Project, path: str, content: str, reasons: list[str], todo: list[str]
) -> Iterator[tuple[str, str]]:
    """Yield the field of the lock. Add what locks the modules to `reasons`, or what must be done to `todo`.

    path: the module's path.
    """
    if not project.has("go.mod"):
        foreign = sorted(name for name in _imports(project) if not (name == path or name.startswith(f"{path}/")))
        if foreign:
            commands = f"go mod init {path} && go mod tidy {_WITHOUT_GO}"
            todo.append(f"write go.mod and go.sum, as it imports {few(foreign)}: {commands}")
    elif "vendor" in project.directories:
        reasons.append("vendor: vendored modules")
    elif project.text("go.sum").strip():
        yield "lock", "./go.sum"
        reasons.append("go.sum: modules with hashes")
    elif re.search(r"^require\b", content, re.MULTILINE):
        yield "lock", "./go.sum"
        todo.append(f"lock the modules: go mod tidy {_WITHOUT_GO}")


def _cgo(content: str, reasons: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the fields of a project whose modules need the C compiler, and add the reason."""
    cgo = [
        module
        for module in _CGO
        if re.search(rf"^[ \t]*(?:require\s+)?{re.escape(module)}[\s/]", content, re.MULTILINE)
    ]
    if cgo:
        yield "cgo", "true"
        libraries = sorted({library for module in cgo for library in _CGO[module]})
        if libraries:
            yield "libs", f"[{', '.join(f'debian.{library}' for library in libraries)}]"
        reasons.append(
            f"go.mod: {few(cgo)} needs the C compiler" + (f" and {', '.join(libraries)}" if libraries else "")
        )


def module_path(project: Project) -> str:
    """Return the path by which the files of a project without go.mod import each other.

    A comment of a package clause states it, or imports imply it: what stands before the name of a directory with Go
    files. An import of the whole is one that ends in the project's name.
    """
    for source in _sources(project):
        stated = re.search(r'^package\s+\w+\s*//\s*import\s+"([\w./~-]+)"', source, re.MULTILINE)
        if stated:
            return stated[1]
    folders = {file.rpartition("/")[0] for file in project.files if file.endswith(".go")} - {""}
    names = sorted(_imports(project), key=lambda name: (name.count("/"), name))
    for name in names:
        if name.rpartition("/")[2] == project.name and name.count("/") >= _parts(name) - 1:
            return name
    for name in names:
        words = name.split("/")
        for count in range(len(words) - 1, _parts(name) - 1, -1):
            if "/".join(words[count:]) in folders:
                return "/".join(words[:count])
    return project.name


def _parts(name: str) -> int:
    """Return the least number of components of a module's path: hosts of repositories have an owner before the name."""
    return 3 if name.startswith(("github.com/", "gitlab.com/", "bitbucket.org/", "codeberg.org/")) else 2


def _imports(project: Project) -> set[str]:
    """Return what the Go files that were read import from elsewhere than the standard library."""
    found = {name for source in _sources(project) for name in imported(source.encode())}
    return {name for name in found if "." in name.partition("/")[0]}


def _sources(project: Project, below: str = "/") -> Iterator[str]:
    """Yield the text of the Go files that were read. below: "" for those at the top only."""
    for file, content in project.files.items():
        ignored = file.startswith(tuple(f"{name}/" for name in _IGNORED)) or (not below and "/" in file)
        if content and file.endswith(".go") and not ignored:
            yield content


def _build_library(fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the fields for a library: its packages are compiled, and its sources are installed."""
    return [*fields, ("build", '"go build -p $CORES ./..."')]


def _programs(project: Project) -> list[str]:
    """Return the directories that have a package main, "." first."""
    found = set()
    for file in project.files:
        folder, _, base = file.rpartition("/")
        if not base.endswith(".go") or base.endswith("_test.go"):
            continue
        if is_ignored(folder):
            continue
        content = project.files[file]
        is_main = re.search(r"^package main\b", content, re.MULTILINE) if content else base == "main.go"
        in_cmd = re.fullmatch(r"cmd/[^/]+", folder) is not None
        at_top = not folder and content is None and base == "main.go"
        if is_main or at_top or (in_cmd and content is None):
            found.add(folder or ".")
    return sorted(found)


def is_ignored(folder: str) -> bool:
    """Return whether the programs of a directory are examples, tests or tools of the developers."""
    return any(folder == name or folder.startswith(f"{name}/") for name in _IGNORED)


def _chosen(project: Project, folders: Sequence[str], *names: str) -> str:
    """Return the program that the image runs: the one named as the module or the project, a server, or the first."""
    named = (folder for name in names for folder in folders if folder.rpartition("/")[2] == name)
    servers = (folder for folder in folders if _SERVES.search(_texts(project, folder)))
    return next(named, None) or next(servers, folders[0])


def _others(folders: Sequence[str], chosen: str) -> str:
    names = [folder.rpartition("/")[2] for folder in folders if folder != chosen]
    return f"bin/{names[0]}" if len(names) == 1 else f"bin/{names[0]} or another one"


def _texts(project: Project, folder: str) -> str:
    """Return the text of the Go files of a directory that were read, without tests."""
    above = "" if folder == "." else f"{folder}/"
    return "\n".join(
        content
        for file, content in project.files.items()
        if content and file.startswith(above) and re.fullmatch(r"[^/]+(?<!_test)\.go", file[len(above) :])
    )


def _port(content: str) -> int | None:
    """Return the port that a program listens on, if it names one."""
    if not _SERVES.search(content):
        return None
    found = next((match for pattern in _PORTS if (match := pattern.search(content))), None)
    return int(found[1]) if found and 0 < int(found[1]) < 65536 else None


def _newer(content: str) -> list[str]:
    """Return what to do if the module needs a newer Go than the release has."""
    found = re.search(r"^go\s+(\d{1,3})\.(\d{1,4})", content, re.MULTILINE)
    if found is None or (int(found[1]), int(found[2])) <= GO[DEFAULT]:
        return []
    have = ".".join(map(str, GO[DEFAULT]))
    wanted = f"{found[1]}.{found[2]}"
    return [f"the module needs Go {wanted}, and {DEFAULT} has {have}: fpack init --release {NEWER} uses a newer one"]
