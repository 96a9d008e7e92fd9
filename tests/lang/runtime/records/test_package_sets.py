"""Sets of packages over directories: what files define, what they name, and what is read for it."""

from __future__ import annotations

import itertools
import json
import os
import random
import sys
from pathlib import Path
from typing import Any

import pytest
from fpack.lang.errors import EvalError, render
from fpack.lang.evaluator import Evaluator
from fpack.store.errors import FpackError
from support.archives.packages import Packages


class Project:
    """A project of files, evaluated anew for each question."""

    def __init__(self, place: Path, cache: Path) -> None:
        self.place = place
        self.cache = cache

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            (self.place / name).parent.mkdir(parents=True, exist_ok=True)
            (self.place / name).write_text(text)

    def ask(self, expression: str) -> Any:
        """Return the value of an expression that may use `set`, the set of `pkgs`."""
        (self.place / "fpack.fp").write_text(f"set = package-set(./pkgs)\nresult = {expression}\n")
        evaluator = Evaluator(root=self.place, cache=self.cache, packages=Packages())
        return evaluator.to_json(evaluator.select(evaluator.load(self.place / "fpack.fp"), ["result"]))

    def error(self, expression: str) -> str:
        with pytest.raises(FpackError) as caught:
            self.ask(expression)
        assert isinstance(caught.value, EvalError)
        return render(caught.value).replace(f"{self.place}/", "")


@pytest.fixture
def project(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path, cache)


HELPER = (
    'make-package({ name, version, libs }) = { id = "${name}-${version}", version, all = '
    '["${name}-${version}", ...flatten(map(libs, l => l.all))] }\n'
)


def package(name: str, *libs: str, pattern: str | None = None, version: str = "1") -> str:
    """Return a file of a package that is linked with others."""
    return (
        f"{name}({pattern or '{ ' + ', '.join(libs) + ' }'}) = make-package {{\n"
        f'  name = "{name}"\n  version = "{version}"\n  libs = [{", ".join(libs)}]\n}}\n{HELPER}'
    )


@pytest.fixture
def curl(project: Project) -> Project:
    project.write({"pkgs/ssl.fp": package("ssl"), "pkgs/curl.fp": package("curl", "ssl"),
                   "pkgs/app.fp": package("app", "curl")})  # fmt: skip
    return project


# ---- what files define


def test_a_file_is_a_function_of_the_fields_that_it_names(curl: Project) -> None:
    assert curl.ask("set.app.all") == ["app-1", "curl-1", "ssl-1"]
    assert curl.ask("names(set)") == ["app", "curl", "ssl"]


def test_a_value_a_function_of_values_and_one_of_the_library_are_fields_as_they_are(project: Project) -> None:
    project.write(
        {
            "pkgs/number.fp": "number = 5\n",
            "pkgs/twice.fp": "twice(x) = [x, x]\n",
            "pkgs/tool.fp": "tool = make\n",
            "pkgs/open.fp": "open({ a = 1, ...rest }) = { a, rest }\n",
            "pkgs/all.fp": "all({ number, twice, missing = 7 }) = [number, twice(number), missing]\n",
        }
    )
    assert project.ask("set.all") == [5, [5, 5], 7]
    assert project.ask("[type(set.tool), set.open { b = 2 }]") == ["function", {"a": 1, "rest": {"b": 2}}]


def test_an_optional_field_is_that_of_the_set_if_the_set_has_it(project: Project) -> None:
    project.write({"pkgs/a.fp": "a({ b = 1 }) = b\n"})
    assert project.ask("[set.a, set.extend({ b = 2 }).a]") == [1, 2]


def test_other_fields_of_a_file_are_its_own(project: Project) -> None:
    project.write({"pkgs/a.fp": "a({}) = helper\nhelper = 1\n"})
    assert project.ask("[names(set), set.a]") == [["a"], 1]


def test_debian_is_a_file_of_the_set(project: Project) -> None:
    project.write(
        {
            "pkgs/debian.fp": 'debian = import("fpack/debian").trixie\n',
            "pkgs/a.fp": "a({ debian }) = debian.dash.release\n",
        }
    )
    assert project.ask('[set.a, set.extend({ debian = import("fpack/debian").bookworm }).a]') == ["trixie", "bookworm"]


# ---- laws


def test_a_later_layer_reaches_every_file(curl: Project) -> None:
    newer = 'set.extend { ssl = set.ssl.with { version = "2" } }'
    assert curl.ask(f"{newer} |> s => s.app.all") == ["app-1", "curl-1", "ssl-2"]
    assert curl.ask("set.extend({}).app.all") == ["app-1", "curl-1", "ssl-1"]


def test_the_order_of_independent_layers_does_not_matter(curl: Project) -> None:
    curls = '(old, new) => { curl = old.curl.with { version = "2" } }'
    ssls = '(old, new) => { ssl = old.ssl.with { version = "9" } }'
    wanted = ["app-1", "curl-2", "ssl-9"]
    assert curl.ask(f"set.extend({curls}).extend({ssls}).app.all") == wanted
    assert curl.ask(f"set.extend({ssls}).extend({curls}).app.all") == wanted


def test_with_on_a_member_changes_what_its_function_names_and_what_it_makes(curl: Project) -> None:
    assert curl.ask('set.curl.with({ version = "7" }).all') == ["curl-7", "ssl-1"]
    old = 'set.ssl.with { version = "0" }'
    assert curl.ask(f"set.curl.with({{ ssl = {old} }}).all") == ["curl-1", "ssl-0"]
    assert curl.ask(f'set.curl.with({{ version = "7" }}).with({{ ssl = {old} }}).all') == ["curl-7", "ssl-0"]
    assert curl.ask(f'set.curl.with({{ ssl = {old}, version = "7" }}).with({{ version = "8" }}).all') == [
        "curl-8",
        "ssl-0",
    ]
    assert curl.ask('set.curl.with(old => { version = "${old.version}0" }).id') == "curl-10"


def test_a_change_inside_a_member_reaches_every_file(curl: Project) -> None:
    curl.write({"pkgs/py/web.fp": package("web", "ssl")})
    assert curl.ask('(set.extend { ssl.version = "4" }).app.all') == ["app-1", "curl-1", "ssl-4"]
    assert curl.ask('(set.extend { ssl.version = "4" }).py.web.all') == ["web-1", "ssl-4"]
    assert curl.ask('(set.extend { py.web.version = "5" }).py.web.all') == ["web-5", "ssl-1"]


def test_a_spread_of_sets_stays_open(curl: Project) -> None:
    curl.write({"more/tool.fp": package("tool"), "more/ssl.fp": package("ssl", version="7")})
    both = "{ ...set, ...package-set(./more), own = 1 }"
    assert curl.ask(f"let s = {both} in [s.app.all, s.own]") == [["app-1", "curl-1", "ssl-7"], 1]
    assert curl.ask(f'(({both}).extend {{ ssl.version = "8" }}).app.all') == ["app-1", "curl-1", "ssl-8"]


@pytest.mark.parametrize("seed", range(6))
def test_a_set_of_files_is_a_set_of_the_language(project: Project, seed: int) -> None:
    """Random packages and layers give the same as one file with a function of the final set, in any order of layers."""
    rng = random.Random(seed)
    names = [f"p{i}" for i in range(8)]
    libs = {name: rng.sample(names[:i], rng.randint(0, min(i, 3))) for i, name in enumerate(names)}
    project.write({f"pkgs/{name}.fp": package(name, *libs[name]) for name in names})
    call = 'make-package {{ name = "{0}", version = "1", libs = [{1}] }}'
    fields = [f"{n} = {call.format(n, ', '.join(f'new.{lib}' for lib in libs[n]))}" for n in names]
    project.write({"one.fp": f"{HELPER}layer(old, new) = {{ {', '.join(fields)} }}\n"})
    changed = rng.sample(names, 3)
    layers = [
        f'{{ {changed[0]}.version = "7" }}',
        f'(old => {{ {changed[1]} = old.{changed[1]}.with {{ version = "8" }} }})',
        f'((old, new) => {{ {changed[2]} = old.{changed[2]}.with(p => {{ version = "${{p.version}}9" }}) }})',
    ]
    shown = f"|> s => map({json.dumps(names)}, n => s.${{n}}.all)"
    bases = ["set", '({}.extend(import("./one.fp").layer))']
    found = [
        project.ask(f"({base}{''.join(f'.extend {x}' if x[0] == '{' else f'.extend{x}' for x in order)}) {shown}")
        for base, order in itertools.product(bases, itertools.permutations(layers))
    ]
    assert all(result == found[0] for result in found)
    assert found[0] != project.ask(f"set {shown}")


def test_two_versions_of_one_library(curl: Project) -> None:
    curl.write({"pkgs/ssl-old.fp": 'ssl-old({ ssl }) = ssl.with { version = "0.9" }\n'})
    legacy = "set.extend((old, new) => { app = old.app.with { curl = new.curl.with { ssl = new.ssl-old } } })"
    assert curl.ask(f"[({legacy}).app.all, ({legacy}).curl.all]") == [
        ["app-1", "curl-1", "ssl-0.9"],
        ["curl-1", "ssl-1"],
    ]


# ---- directories


def test_a_directory_is_a_set_in_the_set_that_sees_both(curl: Project) -> None:
    curl.write({"pkgs/py/web.fp": package("web", "http", "ssl"), "pkgs/py/http.fp": package("http"),
                "pkgs/top.fp": "top({ py }) = py.web.all\n"})  # fmt: skip
    assert curl.ask("[set.top, names(set.py)]") == [["web-1", "http-1", "ssl-1"], ["http", "web"]]
    newer = 'set.extend({ ssl = set.ssl.with { version = "2" } })'
    assert curl.ask(f"{newer}.top") == ["web-1", "http-1", "ssl-2"]
    inner = 'set.extend((old, new) => { py = old.py.extend((o, n) => { http = o.http.with { version = "5" } }) })'
    assert curl.ask(f"{inner}.top") == ["web-1", "http-5", "ssl-1"]


def test_an_inner_file_that_names_itself_means_the_outer_field(curl: Project) -> None:
    curl.write({"pkgs/py/ssl.fp": 'ssl({ ssl }) = ssl.with { version = "${ssl.version}-py" }\n'})
    assert curl.ask("[set.py.ssl.id, set.ssl.id]") == ["ssl-1-py", "ssl-1"]


def test_a_directory_with_a_default_is_one_field_with_files_of_its_own(curl: Project) -> None:
    curl.write({"pkgs/own/default.fp": 'own({ ssl }) = [ssl.id, import("./part.fp").x, read-text(./note)]\n',
                "pkgs/own/part.fp": "x = 1\n", "pkgs/own/note": "n", "pkgs/own/patches/x.fp": "wrong"})  # fmt: skip
    assert curl.ask("set.own") == ["ssl-1", 1, "n"]


def test_a_directory_extends_another_set(curl: Project) -> None:
    curl.write({"more/ssl.fp": 'ssl({ ssl }) = ssl.with { version = "3" }\n', "more/tool.fp": package("tool", "app")})
    both = "package-set(./more, set)"
    assert curl.ask(f"{both}.tool.all") == ["tool-1", "app-1", "curl-1", "ssl-3"]
    assert curl.ask(f'{both}.extend((o, n) => {{ ssl = o.ssl.with {{ version = "4" }} }}).tool.all')[-1] == "ssl-4"


def test_a_directory_extends_the_nested_set_of_another(curl: Project) -> None:
    curl.write({"pkgs/py/http.fp": package("http"), "pkgs/py/web.fp": package("web", "http"),
                "more/py/http.fp": 'http({ http }) = http.with { version = "2" }\n'})  # fmt: skip
    assert curl.ask("package-set(./more, set).py.web.all") == ["web-1", "http-2"]


def test_a_directory_extends_debian(project: Project) -> None:
    project.write({"pkgs/a.fp": "a({ dash, sudo, nothing-like-it = 1 }) = [dash.name, sudo.version, nothing-like-it]\n",
                   "pkgs/sudo.fp": 'sudo({ sudo }) = sudo.with { version = "mine" }\n'})  # fmt: skip
    mine = 'package-set(./pkgs, import("fpack/debian").trixie)'
    assert project.ask(f"[{mine}.a, {mine}.curl.name]") == [["dash", "mine", 1], "curl"]
    project.write({"pkgs/b.fp": "b({ dahs }) = dahs\n"})
    shown = project.error(f"{mine}.b")
    assert "trixie has no package 'dahs'" in shown and "--> pkgs/b.fp:1:5" in shown


# ---- what is read


def test_one_of_a_thousand_files_costs_what_one_costs(project: Project) -> None:
    project.write({f"pkgs/p{i}.fp": package(f"p{i}", *([f"p{i - 1}"] if i % 100 else [])) for i in range(1000)})
    opened: list[str] = []
    on = True

    def note(event: str, args: tuple[Any, ...]) -> None:
        if on and event == "open" and str(args[0]).endswith(".fp") and "/pkgs/" in str(args[0]):
            opened.append(os.path.basename(str(args[0])))

    sys.addaudithook(note)
    assert project.ask("set.p3.all") == ["p3-1", "p2-1", "p1-1", "p0-1"]
    assert sorted(opened) == ["p0.fp", "p1.fp", "p2.fp", "p3.fp"]
    opened.clear()
    assert project.ask("length(names(set))") == 1000 and opened == []
    assert project.ask("set.extend((old, new) => { p0 = 5 }).p0") == 5 and opened == []
    on = False


# ---- errors have a place


def test_a_field_that_no_file_has(curl: Project) -> None:
    curl.write({"pkgs/a.fp": "# A comment.\na({\n  ssl,\n  crul,\n}) = [ssl, crul]\n"})
    shown = curl.error("set.a")
    assert shown == (
        "error: The package set has no field `crul`\n"
        "  --> pkgs/a.fp:4:3\n 4 |   crul,\n   |   ^^^^\n"
        "  `a` is called with the fields of the set that its pattern names\n"
        "  in `result`, fpack.fp:2:14\n"
        "  hint: did you mean `curl`?"
    ), shown


def test_a_cycle_of_files(project: Project) -> None:
    project.write({"pkgs/a.fp": "a({ b }) = b + 1\n", "pkgs/b.fp": "b({ a }) = a + 1\n"})
    shown = project.error("set.a")
    assert "depends on itself" in shown and "`a` depends on `b` depends on `a`" in shown and "--> pkgs/" in shown


def test_a_file_that_names_itself_without_an_earlier_field(project: Project) -> None:
    project.write({"pkgs/a.fp": "a({ a }) = a\n"})
    shown = project.error("set.a")
    assert "pkgs/a.fp:1:5" in shown and "no field `a` before this file" in shown


def test_a_file_without_the_field_of_its_name(curl: Project) -> None:
    os.rename("pkgs/curl.fp", "pkgs/wget.fp")
    shown = curl.error("set.wget")
    assert "`pkgs/wget.fp` does not define `wget`" in shown and "its fields: curl, make-package" in shown
    assert "--> fpack.fp:2" in shown


def test_a_file_with_a_wrong_text_is_no_error_until_it_is_asked_for(curl: Project) -> None:
    curl.write({"pkgs/bad.fp": "bad = = 1\n"})
    assert curl.ask("set.ssl.id") == "ssl-1"
    assert "--> pkgs/bad.fp:1" in curl.error("set.bad")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("with.fp", "hide the method"),
        ("extend.fp", "hide the method"),
        ("two words.fp", "consists of letters"),
        ("a$b.fp", "consists of letters"),
        ("-x.fp", "consists of letters"),
        ("é.fp", "consists of letters"),
        ("line\nbreak.fp", "consists of letters"),
        (".fp/x.fp", ""),
        ("default.fp", "a field of the set of the directory above"),
        ("curl/x.fp", "both define the field"),
        (b"\xff.fp", "not UTF-8"),
    ],
)
def test_hostile_names_are_refused(curl: Project, name: str | bytes, why: str) -> None:
    path = os.path.join(b"pkgs", os.fsencode(name))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    open(path, "w").close()
    if why:
        shown = curl.error("set.ssl.id")
        assert why in shown and "--> fpack.fp:1" in shown, shown
    else:
        assert curl.ask("names(set)") == ["app", "curl", "ssl"]


def test_other_files_are_no_fields(curl: Project) -> None:
    curl.write({"pkgs/.hidden.fp": "", "pkgs/.git/x.fp": "", "pkgs/README.md": "", "pkgs/fix.patch": "",
                "pkgs/fpack.fp": "wrong", "pkgs/x.fp~": "", "pkgs/.gitignore": "gone.fp\nbuild/\n",
                "pkgs/gone.fp": "", "pkgs/build/x.fp": ""})  # fmt: skip
    assert curl.ask("names(set)") == ["app", "curl", "ssl"]


def test_a_name_that_is_none_of_the_language_is_quoted(project: Project) -> None:
    project.write({"pkgs/g++.fp": '"g++" = 5\n', "pkgs/7zip-1.2.fp": '"7zip-1.2" = 6\n'})
    assert project.ask('[set."g++", set."7zip-1.2"]') == [5, 6]


# ---- links


def test_links_inside_the_project_are_followed(curl: Project) -> None:
    curl.write({"shared/tls.fp": "tls({ ssl }) = ssl.id\n"})
    os.symlink("../shared/tls.fp", "pkgs/tls.fp")
    os.symlink("../shared", "pkgs/sub")
    assert curl.ask("[set.tls, set.sub.tls]") == ["ssl-1", "ssl-1"]


def test_links_out_of_the_project_are_refused_when_they_are_asked_for(curl: Project, tmp_path_factory: Any) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "evil.fp").write_text("evil = 1\n")
    os.symlink(outside / "evil.fp", "pkgs/evil.fp")
    os.symlink(outside, "pkgs/all")
    os.symlink("nowhere.fp", "pkgs/none.fp")
    os.symlink("..", "pkgs/loop")
    assert curl.ask("set.ssl.id") == "ssl-1"
    assert "outside the project" in curl.error("set.evil")
    assert "outside the project" in curl.error("set.all")
    assert "There is no file" in curl.error("set.none")
    assert "link to a directory that contains it" in curl.error("set.loop")
    os.mkdir("pkgs/own")
    os.symlink(outside / "evil.fp", "pkgs/own/default.fp")
    assert "outside the project" in curl.error("set.own")


def test_a_directory_outside_and_one_that_is_none(curl: Project) -> None:
    assert "There is no directory `none`" in curl.error("package-set(./none)")
    assert "not a directory" in curl.error("package-set(./pkgs/ssl.fp)")
    assert "outside the project" in curl.error("package-set(./..)")
    assert "takes a path" in curl.error('package-set("pkgs")')
    assert "extends a record" in curl.error("package-set(./pkgs, 5)")


def test_a_cycle_through_the_library_names_the_files(project: Project) -> None:
    made = 'make {{ name = "{0}", version = "1", libs = [{1}] }}'
    files = {f"pkgs/{name}.fp": f"{name}({{ {other} }}) = {made.format(name, other)}\n" for name, other in ("ab", "ba")}
    project.write(files)
    shown = project.error("set.a.out")
    assert "error: `b` depends on itself\n  --> pkgs/b.fp:1:12\n" in shown and "in `a`, pkgs/a.fp:1:12" in shown, shown
    assert "root-made" not in shown


@pytest.mark.parametrize(
    ("file", "text", "hint"),
    [
        ("a", "a({}) = [ssl]", "in the pattern: a({ ssl })"),
        ("a", "a({ b, c, d, e }) = [ssl]", "in the pattern: a({ b, c, d, ..., ssl })"),
        ("a", "a({ sslx }) = [ssl]", "did you mean `sslx`? a field of the package set is named in"),
        ("a", "a({ ssl }) = [ssl-1]", "`; a field of the package set is named in the pattern: a({ ssl, ssl-1 })"),
        ("a/default", "a({}) = [ssl]", "in the pattern: a({ ssl })"),
        ("a", "a = [ssl]", 'hint: write strings in quotes: "ssl"'),
        ("a", "a = b({})\nb({}) = [ssl]", 'hint: write strings in quotes: "ssl"'),
        ("a", "a({ ...rest }) = [ssl]", 'hint: write strings in quotes: "ssl"'),
    ],
)  # fmt: skip
def test_a_field_of_the_set_that_the_pattern_lacks(project: Project, file: str, text: str, hint: str) -> None:
    project.write({f"pkgs/{file}.fp": text + "\n"})
    shown = project.error("set.a(rest = 1)" if "rest" in text else "set.a")
    assert "The name `ssl" in shown and hint in shown, shown
