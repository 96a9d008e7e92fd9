"""Test the guesses of `fpack init`, and that the language can read the file that it writes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from fpack.cli.init import detect
from fpack.cli.init.detect import Guess, guess
from fpack.cli.init.gitignore import ignored, whole_release
from fpack.cli.init.project import Project, read_project
from fpack.cli.init.template import attribute_of, render
from fpack.lang.evaluator import Evaluator
from fpack.store.files.source import SourceTree
from support.paths import REPOSITORY
from support.processes.program import Fpack

FLASK = "from flask import Flask\n\nserver = Flask(__name__)\n"
HASHED = f"flask==3.0 --hash=sha256:{'0' * 64}\ngunicorn==22.0 --hash=sha256:{'1' * 64}\n"


def _guess(files: dict[str, str], name: str = "thing", folders: tuple[str, ...] = ()) -> Guess:
    found = guess(Project(name, files, frozenset(folders)))
    assert found is not None
    return found


CASES: list[tuple[dict[str, str], tuple[str, ...], str, str, list[str], list[str]]] = [
    # files, folders, function, name, entrypoint, the beginnings of what is left to do
    ({"requirements.txt": HASHED, "web.py": FLASK}, (), "python", "thing",
     ["@/bin/gunicorn", "--chdir", "@/app", "--bind", "0.0.0.0:8000", "web:server"], []),
    ({"requirements.txt": "fastapi\nuvicorn\n", "main.py": "api: FastAPI = FastAPI()\n"}, (), "python", "thing",
     ["@/bin/uvicorn", "--app-dir", "@/app", "--host", "0.0.0.0", "--port", "8000", "main:api"], []),
    ({"pyproject.toml": '[project]\nname = "tool"\n[project.scripts]\ntool-b = "x:y"\ntool-a = "x:y"\n'}, (),
     "python", "tool", ["@/bin/tool-a"], []),
    ({"setup.py": "setup(name='Served', cmdclass={'install': x})\nuse(cmd.install_scripts)\n"}, (),
     "python", "Served", ["@/bin/served"], []),
    ({"setup.py": "scripts = ['bin/other', 'bin/sv']\nsetup(name='sv', scripts=scripts)\nuse(cmd.install_scripts)\n",
      "bin/sv": "", "bin/other": ""}, (), "python", "sv", ["@/bin/sv"], []),
    ({"Makefile": "D = $(PREFIX)/sbin\ninstall:\n\tinstall -D served $(DESTDIR)$(D)\n"}, (),
     "make", "thing", ["@/sbin/served"], []),
    ({"package.json": '{"name": "@me/web", "scripts": {"start": "node ./src/main.js"}}', "package-lock.json": "{}"}, (),
     "node", "web", ["/usr/bin/node", "@/app/src/main.js"], []),
    ({"package.json": '{"main": "lib.js"}'}, (), "node", "thing", ["/usr/bin/node", "@/app/lib.js"], []),
    ({"go.mod": "module example.org/me/server/v2\n", "main.go": ""}, (), "go", "server", ["@/bin/server"], []),
    ({"go.mod": "module example.org/x\n", "go.sum": "a\n", "cmd/run/main.go": ""}, (), "go", "run",
     ["@/bin/run"], []),
    ({"go.mod": "module example.org/x\n\nrequire example.org/y v1.0.0\n", "main.go": ""}, (), "go", "x",
     ["@/bin/x"], ["lock the modules"]),
    ({"Cargo.toml": '[package]\nname = "crate"\nversion = "0.2.0"\n[dependencies]\nx = "1"\n', "Cargo.lock": "",
      "src/main.rs": ""}, ("vendor",), "rust", "crate", ["@/bin/crate"], []),
    ({"Cargo.toml": '[workspace]\nmembers = ["lib", "run"]\n', "Cargo.lock": "", "run/src/main.rs": "",
      "run/Cargo.toml": '[package]\nname = "run"\n'}, (), "rust", "run", ["@/bin/run"], []),
    ({"Cargo.toml": '[workspace]\nmembers = ["*"]\n', "Cargo.lock": "", "a/src/main.rs": "", "b/src/main.rs": "",
      "a/Cargo.toml": "[package]\n", "b/Cargo.toml": "[package]\n"}, (), "rust", "thing",
     ["@/bin/thing"], ["name the crate"]),
    ({"Gemfile": "", "Gemfile.lock": "", "bin/run": "", "bin/setup": "", "vendor/cache/x-1.gem": "extensions: []"}, (),
     "ruby", "thing", ["@/bin/run"], []),
    ({"Gemfile": "gem 'puma'\n", "Gemfile.lock": "", "config.ru": "", "vendor/cache/puma-6.gem": ""}, (),
     "ruby", "thing", ["@/bin/puma", "--bind", "tcp://0.0.0.0:9292", "@/app/config.ru"], []),
    ({"CMakeLists.txt": "project(Shape VERSION 1.2)\nadd_executable(draw draw.c)\n"}, (), "cmake", "Shape",
     ["@/bin/draw"], []),
    ({"meson.build": "project('wave', 'c', version : '3')\nexecutable('play', 'x.c')\n"}, (), "meson", "wave",
     ["@/bin/play"], []),
    ({"configure.ac": "AC_INIT([grep], [3.1])\n"}, (), "autotools", "grep", ["@/bin/grep"], []),
    ({"Makefile": "install:\n\ttrue\n"}, (), "make", "thing", ["@/bin/thing"], []),
    ({"Makefile": "all:\n\ttrue\n"}, (), "make", "thing", ["@/bin/thing"], ["Makefile has no target"]),
    ({"Makefile": "CFLAGS = -O2\n.PHONY: all\nall: say\nsay: say.o\n"}, (), "make", "thing", ["@/bin/say"],
     ["Makefile has no target"]),
    ({"Makefile": "say: say.o\ninstall: say\n\tmkdir -p $(PREFIX)/bin\n\tcp -f say $(PREFIX)/bin\n"},
     (), "make", "thing", ["@/bin/say"], []),
    ({"Makefile": "BIN := say\nall: $(BIN)\ninstall: all\n\t@$(INSTALL) -m 755 build/$(BIN) ${bindir}/\n"}, (), "make",
     "thing", ["@/bin/say"], []),
    ({"Makefile": "install: one\n\tinstall -D one $(PREFIX)/bin/two\n"}, (), "make", "thing", ["@/bin/two"], []),
    # Old forms: a source file instead of a name, a default target that stands for others, an `install` that only says.
    ({"configure.ac": "AC_INIT(wave.c)\n"}, (), "autotools", "thing", ["@/bin/thing"], []),
    ({"Makefile": "DEFAULT: all\n\nall: libraries programs\n\nlibraries: a.a\n\ninstall: all\n\t./put\n"}, (), "make",
     "thing", ["@/bin/thing"], []),
    ({"Makefile": "all: say.bin\nsay.bin: say.c\n\tcc -o $@ $^\n"}, (), "make", "thing", ["@/bin/say.bin"],
     ["Makefile has no target `install`: set"]),
    ({"Makefile": "all: say hear\nsay: say.o\nhear: hear.o\ninstall:\n\t@echo read INSTALL\n"}, (), "make", "thing",
     ["@/bin/say"], []),
    ({"Makefile": "all: say\nsay:\n\t./make-it\ninstall: all\n\t@echo read INSTALL\n"}, (), "make", "thing",
     ["@/bin/say"], ["Makefile has no target `install` that copies files: set"]),
    ({"requirements.txt": "mkdocs\n", "Makefile": "say: say.o\ninstall: say\n\tinstall say $(PREFIX)/bin\n"}, (),
     "make", "thing", ["@/bin/say"], []),
    ({"configure.ac": "AC_INIT([suite], [3.1])\n", "Makefile.am": "bin_PROGRAMS = say hear\n"}, (), "autotools",
     "suite", ["@/bin/say"], []),
]  # fmt: skip


@pytest.mark.parametrize(("files", "folders", "call", "name", "entrypoint", "todo"), CASES)
def test_a_kind_of_project(
    files: dict[str, str], folders: tuple[str, ...], call: str, name: str, entrypoint: list[str], todo: list[str]
) -> None:
    found = _guess(files, folders=folders)
    assert (found.call, found.name, found.entrypoint) == (call, name, entrypoint)
    assert found.reasons[0].split(":")[0] in files
    assert len(found.todo) == len(todo)
    assert all(line.startswith(start) for line, start in zip(found.todo, todo, strict=True))


@pytest.mark.parametrize("files", [case[0] for case in CASES])
def test_what_is_written_can_be_read(files: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "fpack.fp").write_text(render(_guess(files), "trixie"))
    record = Evaluator(root=tmp_path, settings={"arch": "amd64", "codec": {}}).load(tmp_path / "fpack.fp")
    assert {"image", "shell", attribute_of(_guess(files))} <= set(record)


@pytest.mark.parametrize(
    "files",
    [
        {"CMakeLists.txt": "project(shape)\nadd_library(shape shape.c)\n"},
        {"meson.build": "project('wave', 'c')\nshared_library('wave', 'wave.c')\n"},
        {"Cargo.toml": '[package]\nname = "crate"\n', "Cargo.lock": "", "src/lib.rs": ""},
    ],
)
def test_a_library_has_no_image(files: dict[str, str]) -> None:
    found = _guess(files)
    assert "container" not in render(found, "trixie") and "shell {" in render(found, "trixie")
    assert "library" in found.reasons[-1] and not any("runs" in line for line in found.reasons)
    with_more = {
        "CMakeLists.txt": "add_executable(draw x.c)\n", "meson.build": "subdir('src')\n", "src/main.rs": "",
    }  # fmt: skip
    more = {name: files.get(name, "") + content for name, content in with_more.items() if name in files or "/" in name}
    if "Cargo.toml" not in files:
        more.pop("src/main.rs")
    assert "container {" in render(_guess({**files, **more}), "trixie")


def test_the_shell_has_what_the_build_has_and_both_are_of_the_release(tmp_path: Path) -> None:
    fpack = Fpack(tmp_path / "home")
    (tmp_path / "configure.ac").write_text("AC_INIT([tool], [1])\n")
    fpack("init", "--release", "bookworm", cwd=tmp_path)
    written = (tmp_path / "fpack.fp").read_text()
    assert '"bookworm"' in written and "packages = [...tool.tools, ...tool.libs]" in written
    assert 'import("fpack/debian").bookworm' in written


def test_damaged_files_are_no_reason_to_fail() -> None:
    digits = "1" * 5000  # more than Python reads
    for name in ("pyproject.toml", "package.json", "Cargo.toml", "go.mod", "meson.build", "CMakeLists.txt"):
        for text in ('{"name": [1, "\x00', f"x = {digits}\n", f'{{"x": {digits}}}', "x = " + "[" * 50000):
            found = _guess({name: text, "package-lock.json": ""})
            assert found.name == "thing"


@pytest.mark.parametrize("name", ['a"b', "${x}", "café", "in", "make", "-", "x" * 300, "1st", "a--b"])
def test_names_of_any_kind(name: str, tmp_path: Path) -> None:
    content = render(_guess({"Makefile": "install:\n"}, name), "trixie")
    (tmp_path / "fpack.fp").write_text(content)
    Evaluator(root=tmp_path, settings={"arch": "amd64", "codec": {}}).load(tmp_path / "fpack.fp")


def test_the_more_specific_kind_comes_first_and_the_rest_is_told() -> None:
    project = Project("x", {"meson.build": "", "Makefile": "", "pyproject.toml": '[project]\nname = "x"'})
    found = guess(project)
    assert found is not None and found.call == "python"
    assert [line.split(":")[0] for line in detect.others(project, found)] == ["meson.build", "Makefile"]


def test_nothing_to_guess_from() -> None:
    assert guess(Project("x", {"README": None})) is None


def test_a_project_is_read_without_following_links(tmp_path: Path) -> None:
    (tmp_path / "outside.toml").write_text("secret")
    place = tmp_path / "p"
    (place / "cmd/run").mkdir(parents=True)
    (place / "cmd/run/main.go").write_text("package main")
    (place / "pyproject.toml").symlink_to("../outside.toml")
    (place / "Makefile").write_text("x" * (2 << 20))
    project = read_project(place)
    assert set(project.files) == {"cmd/run/main.go", "Makefile"}
    assert project.text("Makefile") == "" and project.directories == {"cmd"}


def test_gems_that_are_compiled_are_found_by_what_they_say(tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "examples/ruby/src", tmp_path, dirs_exist_ok=True)
    (tmp_path / "vendor/cache/damaged-1.gem").write_bytes(b"nothing of the kind")
    found = guess(read_project(tmp_path))
    assert found is not None and ("native", "true") in found.fields and found.entrypoint == ["@/bin/nearest"]
    assert any("distance-1.0.2.gem" in line and "damaged" not in line for line in found.reasons)


def test_the_command(tmp_path: Path) -> None:
    fpack = Fpack(tmp_path / "home")
    place = tmp_path / "demo"
    place.mkdir()
    assert "build system is not recognised" in fpack.fails("init", cwd=place)
    (place / "app.py").write_text("import flask\n")
    assert "with a file requirements.txt beside app.py" in fpack.fails("init", cwd=place)
    (place / "app.py").unlink()
    (place / "Makefile").write_text("install:\n\tinstall -D demo $(PREFIX)/bin/demo\n")
    shown = fpack("init", "--print", cwd=place)
    assert not (place / "fpack.fp").exists()
    done = fpack("init", cwd=place)
    assert (place / "fpack.fp").read_text() == shown.stdout
    assert "Makefile: a project with a Makefile" in done.stderr and "fpack build demo" in done.stderr
    assert "already" in fpack.fails("init", cwd=place)
    assert json.loads(fpack("init", "--print", "--json", cwd=place).stdout)["text"] == shown.stdout
    assert "no release" in fpack.fails("init", "--print", "--release", "potato", cwd=place)


@pytest.mark.parametrize(
    ("files", "left"),
    [
        ({"Makefile": "say: say.o\n"}, ["say", "say.o", "thing.tar", "thing.manifest.json"]),
        (
            {"configure.ac": "AC_INIT([say], [1])\n"},
            ["say", "say.o", "configure", "Makefile", "Makefile.in", "say.tar"],
        ),
        ({"CMakeLists.txt": "project(say)\n"}, ["build/CMakeCache.txt"]),
        ({"package.json": '{"main": "a.js"}'}, ["node_modules/a/index.js"]),
        ({"Cargo.toml": '[package]\nname = "say"\n'}, ["target/debug/say"]),
        ({"requirements.txt": "", "app.py": ""}, ["__pycache__/app.pyc", "venv/bin/python3"]),
        ({"go.mod": "module say\n", "main.go": ""}, ["say"]),
    ],
)
def test_what_work_leaves_is_no_part_of_the_source(files: dict[str, str], left: list[str], tmp_path: Path) -> None:
    place = tmp_path / "thing"
    place.mkdir()
    for name, content in files.items():
        (place / name).write_text(content)
    done = Fpack(tmp_path / "home")("init", cwd=place)
    assert ".gitignore: ignored files" in done.stdout
    before = SourceTree().hash(place)
    for name in left:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text("made")
    assert SourceTree().hash(place) == before
    (place / "more.txt").write_text("written")
    assert SourceTree().hash(place) != before


def test_only_a_file_is_what_a_guess_comes_from(tmp_path: Path) -> None:
    about = {"name": "n", "private": True, "scripts": {"build": "tsc", "start": "node dist/n.js"}}
    (tmp_path / "package.json").write_text(json.dumps(about))
    told = Fpack(tmp_path / "home")("init", "--print", cwd=tmp_path).stderr
    assert "guessed from package.json: a Node project\n" in told
    assert "guessed: the build runs the script: tsc\n" in told


def test_of_several_projects_each_directory_is_named(tmp_path: Path) -> None:
    fpack = Fpack(tmp_path / "home")
    for name in ("api", "the web"):
        (tmp_path / "demo" / name).mkdir(parents=True)
        (tmp_path / "demo" / name / "requirements.txt").write_text("flask\n")
    (tmp_path / "demo" / "notes").mkdir()
    told = fpack.fails("init", cwd=tmp_path / "demo")
    assert "api, the web" in told and "fpack init api; fpack init 'the web'" in told and "notes" not in told


def test_files_for_other_tools_are_read(tmp_path: Path) -> None:
    place = tmp_path / "demo"
    place.mkdir()
    (place / "wsgi.py").write_text(FLASK)
    (place / "requirements.txt").write_text("flask\ngunicorn\n")
    (place / "Containerfile").write_text("FROM x\nEXPOSE 8080\n")
    (place / "Procfile").write_text("web: gunicorn --workers 2 wsgi:server\n")
    (place / "compose.yml").write_text("services:\n  cache:\n    image: redis:7\n")
    told = json.loads(Fpack(tmp_path / "home")("init", "--json", cwd=place).stdout)
    assert '"--bind", "0.0.0.0:8080", "--workers", "2", "wsgi:server"]' in told["text"]
    assert "ports = [8080]" in told["text"] and any("fpack pack redis" in text for text in told["also"])


def test_a_gitignore_that_is_there_stays_and_so_do_files_of_the_author(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*.log\n")
    (tmp_path / "Makefile").write_text("all:\n")
    fpack = Fpack(tmp_path / "home")
    assert "gitignore" not in fpack("init", cwd=tmp_path).stdout
    assert (tmp_path / ".gitignore").read_text() == "*.log\n"
    own = Project("say", {"configure": None, "Makefile": "all:\n", "main.go": None}, frozenset({"say"}))
    text = ignored(_guess({"configure": "", "Makefile": "all:\n"}, name="say"), own)
    assert text is not None and "*.o" in text.split() and not {"/Makefile", "/say", "/configure"} & set(text.split())


def test_flasks_instance_folder_is_a_directory_of_the_image() -> None:
    factory = "def create_app():\n    app = Flask(__name__, instance_relative_config=True)\n"
    project = '[project]\nname = "shop"\ndependencies = ["flask"]\n[build-system]\nrequires = ["flit_core"]\n'
    installed = render(_guess({"pyproject.toml": project, "shop/__init__.py": factory}), "trixie")
    assert 'install = old.install + "\\n" + "mkdir -p \\"$out/var\\"; ' in installed
    assert 'ln -s /var/lib/shop \\"$out/var/shop-instance\\"' in installed
    assert 'directories = { "/var/lib/shop" = { user = "nobody", group = "nogroup" } }' in installed
    plain = render(_guess({"requirements.txt": HASHED, "web.py": FLASK + "server.instance_path\n"}), "trixie")
    assert 'ln -s /var/lib/thing \\"$out/var/web-instance\\"' in plain
    assert "instance" not in render(_guess({"requirements.txt": HASHED, "web.py": FLASK}), "trixie")


def test_programs_of_interpreters_have_a_home() -> None:
    """The user nobody has none: gunicorn and others write sockets, caches and settings to it."""
    web = _guess({"requirements.txt": HASHED, "web.py": FLASK})
    assert 'env = { HOME = "/tmp" }' in render(web, "trixie")
    assert 'env = { HOME = "/var/lib/web" }' in render(web._replace(directories=["/var/lib/web"]), "trixie")
    assert 'env = { HOME = "/srv" }' in render(web._replace(image_env=[("HOME", "/srv")]), "trixie")
    assert "HOME" not in render(_guess({"go.mod": "module example.org/x\n", "main.go": "package main"}), "trixie")


@pytest.mark.parametrize(
    ("names", "best"),
    [
        ("fetch llama stack", "llama"),
        ("a llama llama-stack", "llama-stack"),
        ("llama llama-stack-run", "llama-stack-run"),
    ],
)
def test_a_command_that_is_called_like_the_project_is_the_images(names: str, best: str) -> None:
    commands = "".join(f'{name} = "x:y"\n' for name in names.split())
    found = _guess({"pyproject.toml": f'[project]\nname = "llama_stack"\n[project.scripts]\n{commands}'})
    assert found.entrypoint == [f"@/bin/{best}"]


def test_an_unpacked_release_has_the_commands_that_its_setup_computes() -> None:
    files = {
        "setup.py": 'setup(name="sam-tool", entry_points={"console_scripts": [f"{name}=sam.cli:main"]})',
        "sam_tool.egg-info/entry_points.txt": "[o]\nx = y\n[console_scripts]\nsam = sam.cli:main\n\n[more]\na = b\n",
        "sam/__main__.py": "",
    }
    assert _guess(files).entrypoint == ["@/bin/python3", "-m", "sam"]
    assert _guess({**files, "PKG-INFO": "Name: sam-tool\n"}).entrypoint == ["@/bin/sam"]


@pytest.mark.parametrize(
    ("name", "made", "runs"),
    [
        ("@nuxt/cli", "nuxt-cli", "nuxt"),
        ("@sentry/wizard", "wizard", "a"),
        ("cli", "cli", "a"),
        ("@a/cli", "a-cli", "a"),
    ],
)
def test_a_common_name_in_a_scope_is_joined_with_it(name: str, made: str, runs: str) -> None:
    data = {"name": name, "version": "1.0.0", "bin": {"a": "a.js", "b": "b.js", "nuxt": "n.js"}}
    found = _guess({"package.json": json.dumps(data), "a.js": ""})
    assert (found.name, found.entrypoint) == (made, [f"@/bin/{runs}"])


def test_an_unpacked_release_keeps_the_list_of_its_data_files(tmp_path: Path) -> None:
    """setuptools-scm finds them in a repository, and setuptools in SOURCES.txt of a release."""
    listed = "src/x.egg-info/SOURCES.txt"
    files = {"pyproject.toml": '[build-system]\nrequires = ["setuptools-scm>=8"]\n', listed: "src/x/data.txt\n"}
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(content)
    found = _guess(files)
    assert "*.egg-info/" in (ignored(found, read_project(tmp_path)) or "")
    (tmp_path / "PKG-INFO").write_text("Name: x\n")
    assert "*.egg-info/" not in (ignored(found, read_project(tmp_path)) or "")
    (tmp_path / ".gitignore").write_text("*.egg-info\n")
    made = whole_release(found, read_project(tmp_path), tmp_path)
    assert "source = source(./., { ignored = true })" in render(made, "trixie")


@pytest.mark.parametrize("file", ["package.json", "Makefile", "configure", "Cargo.toml", "CMakeLists.txt", "go.mod"])
def test_an_unpacked_release_of_another_language_can_have_a_list_of_files(file: str, tmp_path: Path) -> None:
    (tmp_path / "x.egg-info").mkdir()
    content = {"package.json": '{"name": "x", "bin": "x.js"}', "Cargo.toml": '[package]\nname = "x"\n'}.get(file, "")
    for name, text in {"PKG-INFO": "Name: x\n", "x.egg-info/SOURCES.txt": "x\n", file: content}.items():
        (tmp_path / name).write_text(text)
    found = _guess({file: content})
    assert found.call != "python" and "/result\n" in (ignored(found, read_project(tmp_path)) or "")


@pytest.mark.parametrize("lost", ["doc/Makefile", "p/lib.so", "p/data.cache", "p/missing", "tests/a.log", "p/a.o"])
def test_a_release_of_python_keeps_files_with_names_of_what_make_writes(lost: str, tmp_path: Path) -> None:
    path = tmp_path / "wave-1.2"
    (path / lost).parent.mkdir(parents=True)
    native = {"configure": "#!/bin/sh\n"}
    for name, text in {"PKG-INFO": "Name: x\n", ".gitignore": f"/{lost}\n", lost: "", **native}.items():
        (path / name).write_text(text)
    python = _guess({"pyproject.toml": '[project]\nname = "x"\n'})
    said = whole_release(python, read_project(path), path).reasons[-1]
    assert f"lists {lost.rpartition('/')[2]}, which the release has: it is part of the source" in said
    compiled = _guess(native)
    assert whole_release(compiled, read_project(path), path) == compiled


def test_an_unpacked_release_keeps_the_files_that_its_gitignore_lists(tmp_path: Path) -> None:
    files = {
        "pyproject.toml": '[project]\nname = "x"\n', ".gitignore": "/style.css\nmade/\n*.pyc\n", "style.css": "",
        "made/data.txt": "", "x.egg-info/PKG-INFO": "", "build/lib.pyc": "",
    }  # fmt: skip
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    found = _guess({name: None if "/" in name else content for name, content in files.items()})
    project = read_project(tmp_path)
    assert whole_release(found, project, tmp_path) == found, "it is a checkout of its author"
    (tmp_path / "PKG-INFO").write_text("Name: x\n")
    made = whole_release(found, read_project(tmp_path), tmp_path)
    assert "source = source(./., { ignored = true })" in render(made, "trixie")
    assert "data.txt, style.css" in made.reasons[-1] and "pyc" not in made.reasons[-1]
    assert "source = ./." in render(found, "trixie")
    (tmp_path / ".git").mkdir()
    assert whole_release(found, read_project(tmp_path), tmp_path) == found


def test_a_release_with_a_configure_keeps_the_manual_that_its_gitignore_lists(tmp_path: Path) -> None:
    path = tmp_path / "wave-1.2"
    (path / "src").mkdir(parents=True)
    for name, content in {
        "configure": "#!/bin/sh\n", ".gitignore": "*.[0-9]\n*.o\nconfigure\n", "src/wave.3": "", "src/wave.o": "",
    }.items():  # fmt: skip
        (path / name).write_text(content)
    project = read_project(path)
    found = _guess({"configure": "#!/bin/sh\n"}, name="wave")
    made = whole_release(found, project, path)
    assert ("source", "source(./., { ignored = true })") in made.fields
    assert "lists wave.3, which" in made.reasons[-1]
    (path / "src/wave.3").unlink()
    assert whole_release(found, read_project(path), path) == found, "objects and what bootstrap makes are no part of it"
    other = path.rename(tmp_path / "wave")
    (other / "src/wave.3").touch()
    assert whole_release(found, read_project(other), other) == found, "its author's directory has no version"
