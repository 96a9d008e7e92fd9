"""The packages that interpreted programs load in a linked root."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from fpack.builders.linking.code import CodeNeeds
from fpack.builders.linking.linker import LinkResult, link
from fpack.builders.payload.meta import LoadFacts, TreeEntry
from fpack.builders.payload.slice_table import SliceTable
from support.stores import slices
from support.stores.slices import content, library, names, program, script, table

PY = "usr/lib/python3/dist-packages"
TEXTS: dict[bytes, bytes] = {}


def code(text: str) -> TreeEntry:
    """Return a module."""
    entry = content(text)
    TEXTS[entry.blake3] = text.encode()
    return entry


def run(interp: str, text: str, *commands: str, needed: tuple[str, ...] = ()) -> TreeEntry:
    """Return a script."""
    return code(text)._replace(mode=0o755, facts=LoadFacts(interp=interp, needed=needed, commands=commands))


def linked(
    *tables: SliceTable,
    seeds: Sequence[str],
    depends: Mapping[str, str],
    spare: Sequence[str] = (),
    built: Sequence[str] = (),
) -> LinkResult:
    """Return the result for packages by name; those in `spare` are declared by none."""
    by_name = {each.package: each for each in (*tables, LIBC)}
    seeds = [*seeds, "libc6"]
    available = {name: depends.get(name, "").split() for name in by_name}
    needs = CodeNeeds(available, seeds, built, lambda _, entry: TEXTS.get(entry.blake3, b""))
    steps = link([by_name[seed] for seed in seeds], available, (), "amd64", code=needs, spare=spare)
    answer: Any = None
    while True:
        try:
            wanted = next(steps) if answer is None else steps.send(answer)
        except StopIteration as stop:
            found: LinkResult = stop.value
            return found
        answer = [by_name[name] for name in wanted]


LIBC = table("libc6", {"usr/lib64/ld-linux-x86-64.so.2": library()})
PYTHON = (
    table("python3-minimal", {"usr/bin/python3": slices.link("python3.13")}),
    table("python3.13-minimal", {"usr/bin/python3.13": program()}),
    table("libpython3.13-minimal", {"usr/lib/python3.13/encodings/__init__.py": content()}),
    table("libpython3.13-stdlib", {"usr/lib/python3.13/json/__init__.py": content()}),
)
PYTHON_DEPENDS = {
    "python3-minimal": "python3.13-minimal", "python3.13-minimal": "libpython3.13-minimal",
    "app": "python3-minimal libpython3.13-stdlib python3-a",
}  # fmt: skip
ALL = {each.package for each in PYTHON}


def test_a_script_has_the_standard_library_and_what_it_depends_on() -> None:
    app = table("app", {"usr/bin/app": run("/usr/bin/python3", "import a\n")})
    modules = table("python3-a", {f"{PY}/a/__init__.py": code("import b.c\n")})
    other = table("python3-b", {f"{PY}/b/__init__.py": code("")})
    unused = table("python3-unused", {f"{PY}/unused.py": code("")})
    found = linked(app, modules, other, unused, *PYTHON, seeds=["app"], depends={
        **PYTHON_DEPENDS, "python3-a": "", "python3-b": "python3-unused"})  # fmt: skip
    assert names(found) >= {"app", "python3-a", "python3-b", *ALL}
    reason = found.reasons["python3-b"]
    assert (reason.kind, reason.by, reason.what) == ("module", "python3-a", "b.c")
    assert reason.file == f"/{PY}/a/__init__.py"


def test_a_compiled_program_with_a_helper_script_has_only_what_the_interpreter_needs_to_start() -> None:
    app = table("app", {"usr/bin/app": program(), "usr/bin/app-helper": run("/usr/bin/python3", "import a\n")})
    modules = table("python3-a", {f"{PY}/a/__init__.py": code("")})
    found = linked(app, modules, *PYTHON, seeds=["app"], depends=PYTHON_DEPENDS)
    assert found.reasons["libpython3.13-minimal"].kind == "engine"
    assert not {"python3-a", "libpython3.13-stdlib"} & names(found)


def test_modules_that_nobody_imports_stay_out() -> None:
    app = table("app", {"usr/bin/app": run("/usr/bin/python3", "try:\n    import x\nexcept ImportError:\n    pass\n")})
    unused = table("python3-unused", {f"{PY}/unused.py": code("")})
    found = linked(app, unused, *PYTHON, seeds=["app"], depends={"app": "python3-minimal"})
    assert "python3-unused" not in names(found)


@pytest.mark.parametrize(
    ("interp", "text", "package", "path"),
    [
        ("/usr/bin/perl", "use JSON::XS;\n", "libjson-xs-perl", "usr/lib/x86_64-linux-gnu/perl5/5.40/JSON/XS.pm"),
        ("/usr/bin/perl", "use Debconf::Client;\n", "debconf", "usr/share/perl5/Debconf/Client.pm"),
        ("/usr/bin/ruby", "require 'a/b'\n", "ruby-a", "usr/lib/ruby/vendor_ruby/a/b.rb"),
        ("/usr/bin/node", "const a = require('a');\n", "node-a", "usr/share/nodejs/a/index.js"),
        ("/usr/bin/php", "require_once 'A/b.php';\n", "jsonlint", "usr/share/php/A/b.php"),
        ("/usr/bin/lua5.4", "local a = require('a.b')\n", "lua-a", "usr/share/lua/5.4/a/b.lua"),
        ("/usr/bin/tclsh", "package require a\n", "tcl-a", "usr/share/tcltk/a1.2/pkgIndex.tcl"),
        ("/usr/bin/Rscript", "library(a)\n", "r-cran-a", "usr/lib/R/site-library/a/DESCRIPTION"),
        ("/bin/sh", "exec java -jar /usr/share/java/a.jar\n", "liba-java", "usr/share/java/a.jar"),
    ],
)
def test_a_dependency_with_modules_is_included_in_each_language(
    interp: str, text: str, package: str, path: str
) -> None:
    app = table("app", {"usr/bin/app": run(interp, text)})
    engine = table("engine", {interp.strip("/").replace("bin/sh", "usr/bin/sh", interp == "/bin/sh"): program()})
    found = linked(
        app, engine, table(package, {path: code("")}), table("unrelated", {"usr/lib/x.so": library()}),
        seeds=["app"], depends={"app": f"engine {package} unrelated"},
    )  # fmt: skip
    assert package in names(found) and "unrelated" not in names(found)


def test_a_dependency_whose_program_or_library_is_mentioned() -> None:
    app = table("app", {"usr/bin/app": run("/usr/bin/python3", "run(['tmux', 'x'])\nfind_library('blosc2')\n")})
    tmux = table("tmux", {"usr/bin/tmux": program()})
    blosc = table("libblosc2-4", {"usr/lib/x86_64-linux-gnu/libblosc2.so.4": library()})
    other = table("other", {"usr/bin/other": program(), "usr/lib/x86_64-linux-gnu/libother1.so.1": library()})
    found = linked(app, tmux, blosc, other, *PYTHON, seeds=["app"], depends={
        "app": "python3-minimal tmux libblosc2-4 other"})  # fmt: skip
    assert {"tmux", "libblosc2-4"} <= names(found) and "other" not in names(found)
    assert found.reasons["tmux"].what == "tmux" and found.reasons["tmux"].kind == "calls"


def test_a_script_has_the_commands_that_it_calls_and_a_compiled_program_has_not() -> None:
    spare = [table(name, {f"usr/bin/{command}": program()}) for name, command in {"dash": "sh", "sed": "sed"}.items()]
    for main, expected in ((run("/bin/sh", "sed x", "sed"), {"dash", "sed"}), (program(), set())):
        helper = run("/bin/sh", "sed y", "sed")
        app = table("app", {"usr/bin/app": main, "usr/lib/app/helper": helper})
        found = linked(app, *spare, seeds=["app"], depends={}, spare=["dash", "sed"])
        assert names(found) - {"libc6"} == {"app", *expected}


@pytest.mark.parametrize(("name", "expected"), [("app-1.2", set()), ("other-1.2", {"sed"})])
def test_a_script_of_a_built_package_has_the_commands_that_it_calls_unless_the_main_program_is_compiled(
    name: str, expected: set[str]
) -> None:
    spare = [table(name, {f"usr/bin/{command}": program()}) for name, command in {"dash": "sh", "sed": "sed"}.items()]
    helper = run("/bin/sh", "sed y x\n")
    path = f"/fpack/store/{'0' * 32}-{name}"
    app = table(path, {f"{path[1:]}/bin/app": program(), f"{path[1:]}/bin/list": helper})
    found = linked(app, *spare, seeds=[path], built=[path], depends={}, spare=["dash", "sed"])
    assert names(found) - {"libc6", path, "dash"} == expected


def test_plug_ins_parts_and_packages_without_files() -> None:
    everything = table("all", {"usr/share/doc/all/copyright": content()})
    app = table("app", {"usr/bin/app": program()})
    data = table("app-common", {"usr/share/app/tool.py": code("")})
    plugin = table("app-plugins-base", {"usr/lib/app/a.so": library()})
    other = table("libother", {"usr/lib/other.so": library()})
    found = linked(app, everything, data, plugin, other, seeds=["all"], depends={
        "all": "app", "app": "app-common app-plugins-base libother"})  # fmt: skip
    assert names(found) - {"libc6"} == {"all", "app", "app-common", "app-plugins-base"}


def test_a_locale_is_there_for_interpreters_only() -> None:
    libc = table("libc-bin", {"usr/lib/locale/C.utf8/LC_CTYPE": content()})
    app = table("app", {"usr/bin/app": run("/usr/bin/python3", "")})
    assert "libc-bin" in names(linked(app, libc, *PYTHON, seeds=["app"], depends=PYTHON_DEPENDS, spare=["libc-bin"]))
    shell = table("app", {"usr/bin/app": script("/bin/sh")})
    assert "libc-bin" not in names(linked(shell, libc, seeds=["app"], depends={}, spare=["libc-bin"]))
