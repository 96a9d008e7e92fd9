"""Purity: an evaluation reads its project and the library, and depends on nothing else.

Not on the time, the environment, the user, the directory, the seed of hashes, the order in which files were made or
values are asked for, nor on what is cached.
"""

from __future__ import annotations

import ast
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import fpack.lang
import pytest
from fpack.lang.errors import EvalError
from fpack.lang.evaluator import Evaluator
from fpack.store.errors import FpackError
from fpack.store.files.source import SourceTree
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.archives.packages import Packages
from support.properties import examples

HERE = Path(__file__)
CASES = HERE.parent / "cases"
SECRET = "the secret of another directory"
SETTINGS = {"arch": "amd64", "codec": {"name": "zstd", "level": 3, "threads": 2, "library": "test"}, "version": "test"}

# ---- what lies outside cannot be read


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project beside a secret, with links that lead there by each way that there is."""
    top = tmp_path_factory.mktemp("purity")
    outside = top / "outside"
    outside.mkdir()
    (outside / "secret").write_text(SECRET)
    (outside / "secret.fp").write_text(f'x = "{SECRET}"\n')
    (outside / "secret.json").write_text(f'"{SECRET}"')
    (outside / "secret.toml").write_text(f'x = "{SECRET}"')
    (outside / "tool").write_text("#!/bin/sh\n")
    (outside / "tool").chmod(0o755)
    root = top / "project"
    (root / "in/deep").mkdir(parents=True)
    (root / "fpack.fp").write_text("")
    (root / "in/note").write_text("a note")
    (root / "up").symlink_to("..")
    (root / "absolute").symlink_to(outside)
    (root / "chain").symlink_to("in/chain")
    (root / "in/chain").symlink_to("../absolute")
    for name in ("secret", "secret.fp", "secret.json", "secret.toml", "tool"):
        (root / f"link-{name}").symlink_to(f"../outside/{name}")
    (root / "beside").symlink_to("/proc/self/environ")
    return root


WAYS = [
    "../outside/{}", "in/../../outside/{}", "in/deep/../../../outside/{}", "up/outside/{}", "absolute/{}", "chain/{}",
    "link-{}",
]  # fmt: skip
READERS = [
    ("read-text(./{})", "secret"),
    ("read-json(./{})", "secret.json"),
    ("read-toml(./{})", "secret.toml"),
    ("read-yaml(./{})", "secret.json"),
    ('"${{./{}}}"', "secret"),
    ("to-json(./{})", "secret"),
    ("is-executable(./{})", "tool"),
    ('derivation {{ kind = "text", name = "x", text = ./{} }}', "secret"),
    ('import("./{}")', "secret.fp"),
    ("import(./{})", "secret.fp"),
    ('read-text(./in + "/../{}")', "secret"),
    ("files {{ files = {{ \"/x\" = ./{} }} }}", "secret"),
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("reader", "file"), READERS)
def test_files_outside_the_project_cannot_be_read(project: Path, cache: Path, reader: str, file: str, way: str) -> None:
    text = reader.format(way.format(file))
    evaluator = Evaluator(root=project, cache=cache, sources=SourceTree(), settings=SETTINGS)
    with pytest.raises(EvalError, match="outside the project") as caught:
        evaluator.force(evaluator.expression(text), deep=True)
    assert SECRET not in str(caught.value)


def test_files_inside_the_project_can_be_read(project: Path) -> None:
    evaluator = Evaluator(root=project, sources=SourceTree(), settings=SETTINGS)
    for way in ("in/note", "in/../in/note", "in/deep/../note", "up/project/in/note"):
        assert evaluator.expression(f"read-text(./{way})") == "a note"


def test_the_environment_cannot_be_read_as_a_file(project: Path) -> None:
    with pytest.raises(EvalError, match="outside the project"):
        Evaluator(root=project).expression("read-text(./beside)")


STEPS = ["..", ".", "in", "deep", "up", "absolute", "chain", "outside", "project", "secret", "note", "link-secret"]
PARTS = st.lists(st.sampled_from(STEPS), min_size=1, max_size=7)


@settings(deadline=None, max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=PARTS, joined=st.booleans())
def test_no_path_reads_another_file(project: Path, cache: Path, parts: list[str], joined: bool) -> None:
    path = "/".join(parts)
    text = f'read-text(./in + "/../{path}")' if joined else f"read-text(./{path})"
    try:
        found = Evaluator(root=project, cache=cache).expression(text)
    except EvalError:
        return
    assert found == "a note"


def test_symlinks_in_sources_are_not_followed(project: Path, tmp_path: Path) -> None:
    """A directory that goes to the store takes nothing of where its links lead."""
    digests = set()
    for content in ("one", "two"):
        (tmp_path / "secret").write_text(content)
        (tmp_path / "p/src").mkdir(parents=True, exist_ok=True)
        (tmp_path / "p/src/link").unlink(missing_ok=True)
        (tmp_path / "p/src/link").symlink_to("../../secret")
        digests.add(Evaluator(root=tmp_path / "p", sources=SourceTree()).expression('"${./src}"'))
    assert len(digests) == 1


# ---- nothing else matters

PROGRAM = """
import json, os, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from fpack.lang.evaluator import Evaluator
from fpack.store.errors import FpackError
from fpack.store.files.source import SourceTree
from support.archives.packages import Packages
opened = []
def watch(event, args):
    if event == "open" and isinstance(args[0], (str, bytes)):
        opened.append(os.fsdecode(args[0]))
    elif event.split(".")[0] in ("socket", "subprocess", "urllib") or event in ("os.system", "os.exec", "os.fork"):
        opened.append(event)
def run(place):
    evaluator = Evaluator(root=place, packages=Packages(), sources=SourceTree(), settings={settings!r})
    try:
        value = evaluator.to_json(evaluator.select(evaluator.load(place / "main.fp"), ["result"]))
    except FpackError as error:
        value = error.what
    return value, sorted((k.hex(), v.hex()) for k, v in evaluator.derivations.items())
places = sorted(p.parent for p in Path(sys.argv[1]).glob("*/main.fp"))
run(places[0])
sys.addaudithook(watch)
print(json.dumps([[p.name, *run(p)] for p in places]))
print(json.dumps(sorted(set(opened))))
"""


def everything(cases: Path, **environment: str) -> tuple[str, list[str]]:
    """Return all values and derivations of a directory of cases, and the files opened for them, from a new process."""
    program = PROGRAM.format(tests=str(HERE.parents[1]), settings=SETTINGS)
    clean = {"PATH": os.environ["PATH"], **environment}
    command = [sys.executable, "-c", program, str(cases)]
    done = subprocess.run(command, env=clean, cwd="/", capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    values, opened = done.stdout.decode().splitlines()
    return values, json.loads(opened)


def copied(to: Path, seed: int) -> Path:
    """Return the cases elsewhere, made in another order, at other times, with other modes."""
    chosen = [p for p in CASES.glob("ok/*/**/*") if p.is_file() and p.name != "expected.json"]
    mixed = random.Random(seed)
    mixed.shuffle(chosen)
    for place in chosen:
        target = to / place.relative_to(CASES / "ok")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(place.read_bytes())
        target.chmod(place.stat().st_mode & 0o700)
        os.utime(target, (seed * 1000, seed * 1000))
    return to


@pytest.mark.slow
def test_path_time_environment_and_hash_seed_do_not_matter(tmp_path: Path) -> None:
    first, opened = everything(copied(tmp_path / "a", 1), PYTHONHASHSEED="1", HOME="/", TZ="UTC")
    other, _ = everything(
        copied(tmp_path / "b/c d", 2), PYTHONHASHSEED="7", HOME="/nowhere", TZ="Asia/Tokyo", LANG="tr_TR.UTF-8",
        LC_ALL="C.UTF-8", SOURCE_DATE_EPOCH="5", USER="somebody", PYTHONUTF8="1",
    )  # fmt: skip
    assert first.replace(str(tmp_path / "a"), "") == other.replace(str(tmp_path / "b/c d"), "")
    cases = json.loads(first)
    assert len(cases) >= 150 and sum(len(derivations) for _, _, derivations in cases) > 50
    # Nothing is opened but the project's files, fpack's, and modules of Python.
    allowed = (str(tmp_path / "a"), str(HERE.parents[2]), sys.prefix, sys.base_prefix, os.path.dirname(os.__file__))
    assert [name for name in opened if not name.startswith(allowed)] == []


IMPURE = {
    "time", "random", "datetime", "uuid", "secrets", "socket", "platform", "locale", "tempfile", "getpass", "pwd",
    "subprocess", "urllib", "http", "multiprocessing",
}  # fmt: skip


def test_no_module_of_the_evaluator_imports_time_or_random() -> None:
    """But for the one that ends an evaluation which takes too long; it makes no values."""
    for place in sorted(Path(fpack.lang.__path__[0]).rglob("*.py")):
        if place.name == "limits.py":
            continue
        for node in ast.walk(ast.parse(place.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            assert not {name.split(".")[0] for name in names} & IMPURE, place


# ---- twice the same, in any order

NAMES = ["a", "b", "c", "d", "e"]


ARGUMENTS = st.dictionaries(st.text("kl m", min_size=1, max_size=2), st.integers(-5, 5), max_size=4)


@st.composite
def programs(draw: Any) -> str:
    """Return a file of derivations that mention each other and are made by functions, records and comprehensions."""
    fields = []
    for i, name in enumerate(NAMES):
        used = draw(st.lists(st.sampled_from(NAMES[:i]), max_size=3)) if i else []
        words = "".join(f"${{{other}}}/x " for other in used) + draw(st.text("xyz é", max_size=5))
        form = draw(st.sampled_from(["text", "derivation", "call", "with", "comprehension", "nested"]))
        if form == "text":
            fields.append(f'{name} = text("{name}", "{words}")')
        elif form == "derivation":
            extra = ", ".join(f'"{k}" = {v}' for k, v in draw(ARGUMENTS).items())
            inner = f'kind = "text", name = "{name}", args = {{ {extra} }}, text = "{words}"'
            fields.append(f"{name} = derivation {{ {inner} }}")
        elif form == "call":
            fields.append(f'{name} = make {{ text = "{words}", name = "{name}" }}')
        elif form == "with":
            fields.append(f'{name} = make {{ text = "old", name = "{name}" }}.with {{ text = "{words}" }}')
        elif form == "comprehension":
            fields.append(f'{name} = text("{name}", join([ "${{x}}{words}" for x in range(3) if x != 1], "-"))')
        else:
            fields.append(f'{name} = {{ deep = {{ out = text("{name}", "{words}") }} }}.deep.out')
    draw(st.randoms(use_true_random=False)).shuffle(fields)
    fields.append('make({ name, text, ...rest }) = derivation { kind = "text", name, text }')
    return "\n".join(fields) + "\n"


def made(text: str, order: list[str], cache: Path | None) -> dict[bytes, bytes]:
    evaluator = Evaluator(cache=cache, packages=Packages(), settings=SETTINGS)
    record = evaluator.expression(f"{{\n{text}}}")
    for name in order:
        evaluator.force(evaluator.select(record, [name]), deep=True)
    return evaluator.derivations


@settings(deadline=None, max_examples=examples(80), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=programs(), order=st.permutations(NAMES))
def test_the_same_derivations_byte_for_byte(cache: Path, text: str, order: list[str]) -> None:
    first = made(text, NAMES, None)
    assert len(first) >= 1
    # Asked for in another order, twice, compiled anew or taken from the cache.
    assert made(text, order, None) == first
    assert made(text, order, cache) == first
    assert made(text, NAMES, cache) == first


@settings(deadline=None, max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=programs(), name=st.sampled_from(NAMES))
def test_evaluating_one_field_makes_the_same_derivations(cache: Path, text: str, name: str) -> None:
    whole = made(text, NAMES, cache)
    part = made(text, [name], cache)
    assert part.items() <= whole.items() and part


def test_an_error_changes_nothing(cache: Path) -> None:
    evaluator = Evaluator(cache=cache)
    record = evaluator.expression('{ good = text("a", "b"), bad = text("c", error("no")) }')
    with pytest.raises(FpackError):
        evaluator.select(record, ["bad", "out"])
    evaluator.select(record, ["good", "out"])
    assert evaluator.derivations == made('good = text("a", "b")', ["good"], None)
