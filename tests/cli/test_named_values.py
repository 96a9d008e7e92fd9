"""Every kind of value through every verb that takes one, and what lists, records and expressions are."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

import pytest
from support.archives.archive import Archive
from support.archives.shells import world
from support.processes.program import Fpack
from support.properties import some

SCRIPT = "#!/bin/sh\necho path $*\n"
PROJECT = '''
debian = import("fpack/debian").trixie
app = package {
  name = "app"
  version = "1"
  outputs = ["out", "dev"]
  fixup = null
  install = """
    mkdir -p $out/bin $dev/include
    echo '#!/bin/sh' >$out/bin/app
    echo 'echo app $*' >>$out/bin/app
    chmod +x $out/bin/app
    echo >$dev/include/app.h
  """
}
output = app.dev
out = app.out
interpolated = "${app}"
root = app.root
of-debian = debian.greet
payload = debian.greet.payload
deb = debian.greet.deb
rule = debian.greet.slice { keep = ["/usr/bin/**"] }
slice = derivation { kind = "slice", name = "greet-slice", payload, keep = null, drop = [], setuid = [] }
directory = ./src
path = ./src/script
source = "${./src}"
fetched = fetch { url = "file:FILE", sha256 = "SHA256" }
program = fetch { url = "file:FILE", sha256 = "SHA256", executable = true }
words = text("words", "some words\\n")
script = text("script", "#!/bin/sh\\necho script $*\\n", true)
raw = derivation { kind = "text", name = "raw", text = "raw", executable = false }
extra = files { files = { "/etc/x" = "x" } }
list = [app, debian.greet]
record = { one = app, two = { three = debian.greet }, port = 80, note = "text" }
daemon = service { start = "echo started in $X; exec sleep 1", env = { X = "$DATA/x" }, packages = [debian.greet] }
once = service { start = "echo started in $X", env = { X = "$DATA/x" }, packages = [debian.greet] }
work = shell { packages = [debian.greet] }
image = container { name = "app", packages = [debian.greet, debian.coreutils] }
built = image.image
tree = image.root
variant() = image
number = 5
function = x => x
nothing = null
sentence = "a sentence"
mention = "${app}/bin/app"
empty = []
'''
READING = ("closure", "show", "why", "size")
VERBS = ("build", "pack", "shell", "run", *READING)

# The kinds of values. A cell is "": the verb works; else a part of the error's text. `run` of what has no program, and
# packing a script without its interpreter, are refused; what is no value of a verb is refused by all.
NO_PROGRAM = {"run": "has no program to run"}
NO_SHELL = {"pack": "has a script, but not /bin/sh", "size": "has a script, but not /bin/sh"}
KINDS: dict[str, dict[str, str]] = {
    "debian.trixie.greet": {},
    "app": {},
    "output": NO_PROGRAM,
    "out": {},
    "interpolated": {},
    "root": {},
    "of-debian": {},
    "payload": {},
    "deb": NO_PROGRAM,
    "rule": {},
    "slice": {},
    "directory": NO_PROGRAM,
    "path": NO_SHELL,
    "source": NO_PROGRAM,
    "fetched": NO_PROGRAM,
    "program": NO_SHELL,
    "words": NO_PROGRAM,
    "script": NO_SHELL,
    "raw": NO_PROGRAM,
    "extra": NO_PROGRAM,
    "list": {},
    "record": {},
    "daemon": {},
    "once": {},
    "work": {},
    "image": {},
    "built": {},
    "tree": {},
    "variant": {},
    "stored": {},
    "PATH": {},
    "./result": {},
    "-e": {},
    **{
        kind: dict.fromkeys(VERBS, text)
        for kind, text in {
            "number": "number is an int",
            "function": """fpack build -e 'import("./fpack.fp").function(...)'""",
            "nothing": "nothing is null",
            "sentence": 'text("NAME", sentence)',
            "mention": "it mentions app-1: name that itself",
            "empty": "empty is empty",
            "debian": "name one of them: debian.NAME",
        }.items()
    },
}
# A service that ends at once is none, and `run` of one that stays does not end.
LEFT_OUT = {("daemon", "run"), ("once", "shell")}
PROGRAMS = {  # what `run` prints
    "debian.trixie.greet": "greet 13 x",
    "app": "app x",
    "out": "app x",
    "./result": "app x",
    "payload": "greet 13 x",
    "slice": "greet 13 x",
    "built": "greet 13 x",
    "path": "path x",
    "program": "path x",
    "script": "script x",
    "list": "app x",
}


class Site(NamedTuple):
    """A user's project of which `app` is built as ./result. path: its store path."""

    fpack: Fpack
    directory: Path
    path: str

    def __call__(self, *args: str | Path, **options: object) -> str:
        return self.fpack(*args, cwd=self.directory, **options).stdout.strip()  # type: ignore[arg-type]

    def fails(self, *args: str | Path) -> str:
        return self.fpack.fails(*args, cwd=self.directory)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    made = world(tmp_path_factory.mktemp("archive"), sh="dash")
    made.publish()
    return made


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, archive: Archive) -> Site:
    home = tmp_path_factory.mktemp("user") / "home"
    fpack = Fpack(home, archive)
    directory = home / "site"
    (directory / "src").mkdir(parents=True)
    script = directory / "src" / "script"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    text = PROJECT.replace("FILE", str(script)).replace("SHA256", hashlib.sha256(SCRIPT.encode()).hexdigest())
    (directory / "fpack.fp").write_text(text)
    path = fpack("build", "app", cwd=directory).stdout.strip()
    (directory / "fpack.fp").write_text(f'{text}stored = "{path}"\n')
    return Site(fpack, directory, path)


@pytest.mark.parametrize("kind", KINDS)
def test_every_verb_takes_it(site: Site, kind: str, tmp_path: Path) -> None:
    expected = KINDS[kind]
    what = {"PATH": [site.path], "-e": ["-e", 'import("./fpack.fp").app']}.get(kind, [kind])
    words = {
        "build": ["build", "--no-link", *what],
        "pack": ["pack", "-o", tmp_path / "out", *what],
        "shell": ["shell", *what, "--", "echo", "in the shell"],
        "run": ["run", *what, *([] if kind in ("root", "work", "tree") else ["x"])],
    }
    # The quick tier takes one of those that read the image, in turn.
    for verb in (*words, *some(READING, len(READING), [*KINDS].index(kind) % len(READING))):
        if (kind, verb) in LEFT_OUT:
            continue
        args = words.get(verb, [verb, *what])
        if wrong := expected.get(verb, ""):
            assert wrong in site.fails(*args), (kind, verb)
            continue
        said = site(*args)
        if verb == "build":
            assert all(line.startswith("/fpack/store/") for line in said.splitlines())
            assert kind != "PATH" or said == site.path
        if verb == "shell":
            assert said == "in the shell", (kind, said)
        if verb == "run" and kind in PROGRAMS:
            assert said == PROGRAMS[kind]
        if verb == "run" and kind == "once":
            assert said.startswith("started in /") and said.endswith("/x")


def test_members_have_names_links_and_images_of_their_own(site: Site, tmp_path: Path) -> None:
    found = json.loads(site("build", "record", "--json", "-o", tmp_path / "link"))["members"]
    assert list(found) == ["one", "two.three"]
    assert found["one"]["path"] == site.path
    assert Path(found["two.three"]["link"]).name == "link-two.three"
    assert (tmp_path / "link-one/bin/app").is_file()
    site("pack", "record", "-o", tmp_path / "images")
    assert sorted(path.name for path in (tmp_path / "images").glob("*.tar")) == ["app.tar", "greet.tar"]
    for verb in ("closure", "show", "why", "size"):
        assert list(json.loads(site(verb, "--json", "record"))["members"]) == ["one", "two.three"]
        assert site(verb, "record").startswith("one:\n")
        together = json.loads(site(verb, "--json", "record", "--together"))
        assert "members" not in together
    assert list(json.loads(site("why", "record", "greet", "--json"))["members"]) == ["two.three"]
    assert "not-there is not in the image" in site.fails("why", "record", "not-there")


def test_members_together_are_one_image(site: Site, tmp_path: Path) -> None:
    made = site.fpack.pack("list", "--together", "-o", tmp_path / "all.tar", cwd=site.directory)
    assert made["name"] == "list"
    reasons = json.loads(site("why", tmp_path / "all.tar", "--json"))
    assert "greet" in reasons
    assert json.loads(site("why", "list", "--together", "app-1", "--json"))["app-1"][-1]["kind"] == "seed"
    assert site("build", "--no-link", "list", "--together").endswith("-list")
    assert "cannot be packed together" in site.fails("pack", "-e", 'let f = import("./fpack.fp") in [f.app, f.root]',
                                                     "--together")  # fmt: skip


@pytest.mark.parametrize(
    ("expression", "error"),
    [
        ("[5]", "element 0 of -e '[5]' is an int"),
        ("{ a = 5 }", "has nothing to build"),
        ('{ type = "nonsense" }', "is a record of the type nonsense"),
        ('[[text("a", "b")], x => x]', "element 1 of"),
        ('"/fpack/store/00000000000000000000000000000000-none"', "the store does not have it"),
        ("let a = [a] in a", "is nested too deeply, or contains itself"),
    ],
)
def test_what_has_no_output_is_an_error(site: Site, expression: str, error: str) -> None:
    assert error in site.fails("build", "--no-link", "-e", expression)


def test_an_expression_stands_for_a_name(site: Site, tmp_path: Path) -> None:
    app = 'import("./fpack.fp").app'
    assert site("run", "-e", app, "--", "app", "a", "b") == "app a b"
    assert site("run", f"--expression={app}", "--pure", "--", "app", "-e") == "app -e"
    assert site("build", "--no-link", f"({app})") == site.path
    made = site.fpack.pack("-e", app, "-e", "LEVEL=1", "--env", "MODE=x", "-o", tmp_path / "a.tar", cwd=site.directory)
    config = json.loads(site("show", tmp_path / "a.tar", "--json"))["config"]
    assert made["name"] == "app"
    assert config["env"].items() >= {"LEVEL": "1", "MODE": "x"}.items()
    assert "not both" in site.fails("build", "app", "-e", app)
    assert "not both" in site.fails("why", "app", "app-1", "-e", app)
    assert "app-1" in site("why", "-e", app, "app-1")
    assert site("why", "-e", app, "app") == site("why", "-e", app, "app-1")


def test_the_closure_of_an_image_has_its_built_packages(site: Site, tmp_path: Path) -> None:
    image = 'container { name = "a", packages = [import("./fpack.fp").app, import("fpack/debian").trixie.dash] }'
    found = json.loads(site("closure", "-e", image, "--json"))
    (app,) = found["built"]
    assert app["name"] == "app-1" and app["path"] in found["tops"] and app["needs"] == []
    assert found["size"] == app["size"] + sum(each["size"] for each in found["packages"])
    assert site("closure", "-e", image).splitlines()[-1].endswith("packages and 1 built path")
    assert "app-1" in site("closure", "-e", image, "--tree")
    site("pack", "-e", image, "-o", tmp_path / "a.tar")
    assert json.loads(site("closure", tmp_path / "a.tar", "--json"))["built"] == [app]
    assert "app-1  the manifest does not say why" in site("why", tmp_path / "a.tar", "app")


def test_a_part_of_an_image_is_at_the_top_of_its_image(site: Site, tmp_path: Path) -> None:
    for kind, file in (("payload", "/usr/bin/greet"), ("slice", "/usr/bin/greet"), ("extra", "/etc/x")):
        site("pack", kind, "-o", tmp_path / f"{kind}.tar")
        files = json.loads((tmp_path / f"{kind}.manifest.json").read_text())["layers"]
        assert file in {entry["path"] for layer in files for entry in layer["entries"]}
    packages = json.loads(site("show", tmp_path / "payload.tar", "--json"))["packages"]
    assert [package["name"] for package in packages] == ["greet"]
    assert (
        site.fpack.pack("built", "-o", tmp_path / "b.tar", cwd=site.directory)["digest"]
        == (site.fpack.pack("image", "-o", tmp_path / "i.tar", cwd=site.directory)["digest"])
    )
    assert "whose settings are fixed" in site.fails("pack", "built", "--user", "x", "-o", tmp_path / "b.tar")


def test_a_service_becomes_an_image_that_runs_it(site: Site, tmp_path: Path) -> None:
    site("pack", "daemon", "-o", tmp_path / "d.tar")
    config = json.loads(site("show", tmp_path / "d.tar", "--json"))["config"]
    assert config["entrypoint"] == ["/usr/local/bin/fpack-service"]
    assert config["volumes"] == ["/data"]
    assert config["env"]["X"] == "/data/x"


def test_a_list_of_packages_takes_outputs_strings_and_paths(site: Site, tmp_path: Path) -> None:
    packages = "[f.output, f.out, ./src/script, f.debian.dash]"
    text = f'let f = import("./fpack.fp") in container {{ name = "a", packages = {packages} }}'
    site("pack", "-e", text, "-o", tmp_path / "a.tar")
    found = {path.partition("-")[2] for path in json.loads(site("closure", "-e", text, "--paths", "--json"))["tops"]}
    names = {path["name"] for path in json.loads(site("closure", tmp_path / "a.tar", "--paths", "--json"))["paths"]}
    assert found == {"a"}
    assert {"app-1", "app-1-dev", "script"} <= names


def test_a_store_path_follows_its_link(site: Site) -> None:
    site("build", "words", "-o", "link")
    assert site("closure", "./link").splitlines()[0].endswith("-words")
    site("build", "script", "-o", "link")
    assert site("run", "./link", "y") == "script y"
    site("build", "app", "-o", "link")
    assert site("run", "./link", "y") == "app y"


def test_a_program_below_a_store_path_runs(site: Site) -> None:
    site("build", "app", "-o", "below")
    assert site("run", "./below/bin/app", "y") == "app y"
    assert site("run", f"{site.path}/bin/app", "y") == "app y"
    site("build", "payload", "-o", "below")
    assert site("run", "./below/data/usr/bin/greet", "y") == "greet 13 y"
    assert "it is not a file" in site.fails("run", "./below/data")
    site("build", "output", "-o", "below")
    assert "it is not executable" in site.fails("run", "./below/include/app.h")
    assert "it is not a file" in site.fails("run", f"{site.path}/bin/other")


def test_each_member_has_a_page_of_its_sizes(site: Site, tmp_path: Path) -> None:
    assert site("size", "record", "--html").splitlines() == ["app.size.html", "greet.size.html"]
    assert "greet" in (site.directory / "greet.size.html").read_text()
    named = f"--html={tmp_path / 'sizes.html'}"
    assert site("size", "record", named).splitlines() == [
        str(tmp_path / "sizes-one.html"),
        str(tmp_path / "sizes-two.three.html"),
    ]
    assert site("size", "list", "--together", named) == str(tmp_path / "sizes.html")
    twice = """let f = import("./fpack.fp") in { a = f.app, b = f.app }"""
    assert site("size", "--html", "-e", twice).splitlines() == ["app-a.size.html", "app-b.size.html"]


def test_an_unknown_store_path_is_an_error(site: Site) -> None:
    assert "The store does not have this path" in site.fails("build", f"/fpack/store/{'0' * 32}-none")
