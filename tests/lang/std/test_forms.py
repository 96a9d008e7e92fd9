"""Fields that have a form: what no builder accepts is an error of evaluation, at its place, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.oci import config, spec, user
from fpack.builders.payload.globs import Globs
from fpack.builders.protocol import BuildError
from fpack.builders.sandbox.spec import limits_of
from fpack.lang.errors import EvalError
from fpack.lang.evaluator import Evaluator
from support.archives.packages import Everything, Files, Packages

SETTINGS = {"arch": "amd64", "codec": {"name": "zstd", "level": 3, "threads": 2, "library": "test"}, "version": "test"}


class Nothing(Packages):
    """A package source that must not be asked for closures: the checks come first."""

    def closure(self, release: str, names: list[str], arch: str = "") -> list[dict[str, Any]]:
        raise AssertionError("packages were looked up")


def evaluate(cache: Path, text: str, packages: Packages) -> Any:
    evaluator = Evaluator(cache=cache, packages=packages, sources=Files(), settings=SETTINGS)
    return evaluator.expression(f'let debian = import("fpack/debian").trixie in {text}')


def call(field: str) -> str:
    name = "" if field.startswith("name =") else 'name = "n", '
    return f"container {{ {name}packages = [debian.dash], {field} }}"


def container(field: str) -> str:
    return f"{call(field)}.image.out"


WRONG = [
    'ports = ["80a"]',
    "ports = [0]",
    "ports = [65536]",
    'ports = ["90-80"]',
    'ports = ["80/icmp"]',
    "ports = [true]",
    'name = "X Y"',
    'name = "a//b"',
    'name = ""',
    'tag = "a b"',
    'tag = ""',
    'tag = ".a"',
    'user = "a b"',
    'user = ""',
    'user = "a:b:c"',
    'user = "99999999999"',
    'workdir = "srv"',
    'workdir = "/a/../b"',
    'workdir = "/a/"',
    'volumes = ["data"]',
    'volumes = ["/a//b"]',
    "volumes = [5]",
    'labels = { "" = "x" }',
    'stop-signal = "SIGSTOPP"',
    "stop-signal = 65",
    'stop-signal = "RTMIN+31"',
    'healthcheck = { command = "true", interval = "10 minutes" }',
    'healthcheck = { command = "true", timeout = 0 }',
    'healthcheck = { command = "true", start-period = "0s" }',
    "healthcheck = { command = [] }",
    'healthcheck = { command = "true", retries = 0 }',
    "max-layers = 2",
    "max-layers = 121",
    'entrypoint = [""]',
    'command = [""]',
    'drop = ["usr/share"]',
    'drop = ["/"]',
    'drop = ["/a/../b"]',
    "drop = [5]",
    'rules = { dash = { keep = ["bin/sh"] } }',
    'rules = { dash = { drop = ["/usr/./x"] } }',
    "setuid = [5]",
    'files = { "/" = "x" }',
    'files = { "/a/../b" = "x" }',
    'directories = { "/a/" = null }',
    'links = { "/a//b" = "c" }',
    'files = { "/a" = "x" }, links = { "/a" = "b" }',
    'users = { "a b" = { uid = 1 } }',
    "users = { a = { uid = -1 } }",
    'users = { a = { uid = 1, home = "/a:b" } }',
    "users = { a = { uid = 7 }, b = { uid = 7 } }",
    'users = { a = { uid = 7, group = "b c" } }',
    "wants = [5]",
    "run-options = [5]",
    'first-start = [{ creates = "data", command = ["true"] }]',
]


@pytest.mark.parametrize("field", WRONG)
def test_a_field_of_a_container_is_refused_before_packages_are_looked_up(cache: Path, field: str) -> None:
    text = call(field)
    with pytest.raises(EvalError) as caught:
        evaluate(cache, text, Nothing())
    assert caught.value.file == "<command line>" and caught.value.exit_code == 3
    # The place is the field itself, or a part of it.
    start = len('let debian = import("fpack/debian").trixie in ') + text.index(field.partition(" ")[0]) + 1
    assert caught.value.column >= start, caught.value.what


RIGHT = [
    'ports = [80, "53/udp", "8000-8010/tcp", "443"]',
    'name = "a/b-c__d.e"',
    'name = "host.example:5000/a"',
    'tag = "_1.2-x"',
    'user = "0"',
    'user = "a:b"',
    'user = "4294967294:1"',
    'workdir = "/"',
    'workdir = "${text("a", "b")}/app"',
    'volumes = ["/a b/c"]',
    'stop-signal = "term"',
    'stop-signal = "15"',
    "stop-signal = 64",
    'stop-signal = "SIGRTMIN+3"',
    'workdir = ""',
    'healthcheck = { command = "true", interval = "1h30m5s500ms", timeout = 5, retries = 3 }',
    "max-layers = 3",
    'entrypoint = ["/bin/a", ""]',
    'drop = ["/usr/share/**/*.a", "/etc/"]',
    'rules = { dash = { keep = ["/bin/sh"] } }',
    'files = { "/a" = "x", "/b/c" = "y" }',
    "users = { a = { uid = 1 }, _b = { uid = 2, gid = 1 } }",
    'labels = { "a.b" = 5 }',
    'env = { "a.b" = 5 }',
    'first-start = [{ creates = "/d", command = ["true"] }]',
]


@pytest.mark.parametrize("field", RIGHT)
def test_what_builders_accept_is_accepted(cache: Path, field: str) -> None:
    evaluate(cache, container(field), Everything())


def refuses(check: Callable[[], object]) -> bool:
    try:
        check()
    except BuildError:
        return True
    return False


@pytest.mark.parametrize(
    "value",
    [
        '"80"',
        '"0"',
        '"65535"',
        '"65536"',
        '"1-2"',
        '"2-1"',
        '"80/tcp"',
        '"80/sctp"',
        '"80/x"',
        '"-1"',
        '" 80"',
        '"8_0"',
        '"080"',
        "1",
        "0",
        "-1",
        "70000",
    ],
)
def test_ports_are_those_of_the_builder(cache: Path, value: str) -> None:
    agree(cache, f"ports = [{value}]", lambda: config.ports(eval(value)))


@pytest.mark.parametrize("value", ["a", "a:b", "a:", ":b", "a/b", "1:2", "4294967295", "00000000001", "a b", "é"])
def test_users_are_those_of_the_builder(cache: Path, value: str) -> None:
    agree(cache, f'user = "{value}"', lambda: user.check_user(value))


@pytest.mark.parametrize(
    "value", ["a", "A", "a/b", "a-/b", "a--b", "a__b", "a___b", "a..b", "h:5/a", "H/a", "/a", "a/"]
)
def test_names_are_those_of_the_builder(cache: Path, value: str) -> None:
    agree(cache, f'name = "{value}"', lambda: spec.check_name(value, "t"))


@pytest.mark.parametrize("value", ["/a", "/a/", "//a", "a", "/", "", "/a/**", "/a/./b", "/a/..", "/*"])
def test_patterns_are_those_of_the_builder(cache: Path, value: str) -> None:
    agree(cache, f'drop = ["{value}"]', lambda: Globs([value]))


@pytest.mark.parametrize("value", ['"1s"', '"1"', '"1m1h"', '"0ms"', '""', "1", "0", "-1", '"1ms"', '"1 s"'])
def test_durations_and_signals_are_those_of_the_builder(cache: Path, value: str) -> None:
    health = {"command": "true", "interval": eval(value)}
    agree(
        cache,
        f'healthcheck = {{ command = "true", interval = {value} }}',
        lambda: config.oci_config({"healthcheck": health}, None, None),
    )
    agree(cache, f"stop-signal = {value}", lambda: config.oci_config({"stop_signal": eval(value) or "X"}, None, None))


def agree(cache: Path, field: str, check: Callable[[], object]) -> None:
    """Assert that evaluation refuses a field if and only if the builder does."""
    wrong = refuses(check)
    try:
        evaluate(cache, container(field), Everything())
    except EvalError as error:
        assert wrong, error
    else:
        assert not wrong or field == 'stop-signal = ""', field


PACKAGE = [
    ('source = "src"', "source"),
    ('patches = ["a.patch"]', "patches"),
    ('outputs = ["dev"]', "outputs"),
    ('outputs = ["out", "a b"]', "outputs"),
    ("limits = { minutes = 5 }", "minutes"),
    ("limits = { seconds = 0 }", "seconds"),
    ('allowed = ["x"]', "allowed"),
    ('disallowed = ["x"]', "disallowed"),
    ("env = { A = null }", "A"),
    ('env = { "A B" = "1" }', "env"),
    ("env = { A = [1] }", "A"),
    ('tools = ["gcc"]', "tools"),
]


@pytest.mark.parametrize(("field", "named"), PACKAGE)
def test_a_field_of_a_package_is_refused_at_its_place(cache: Path, field: str, named: str) -> None:
    with pytest.raises(EvalError, match=f"`{named}`|names a|no field {named}|name of a variable") as caught:
        evaluate(cache, f'package {{ name = "n", {field} }}.out', Everything())
    assert caught.value.file == "<command line>" and 'package { name = "n" }' in caught.value.why


def test_limits_are_those_of_the_builder() -> None:
    names = limits_of(None)._fields
    text = (Path(__file__).parents[3] / "lang/std/forms.fp").read_text()
    quoted = ", ".join(f'"{name}"' for name in names)
    assert f"known = [{quoted}]" in text


@pytest.mark.parametrize(
    "text",
    [
        'service { start = " " }',
        'service { start = "a", stop = "TERM" }',
        'service { start = "a", stop = "SIGNONE" }',
        'service { start = "a", seconds = 0 }',
        'service { start = "a", ports = ["80"] }',
        'service { start = "a", env = { A = null } }',
        "shell { env = { A = null } }",
        'shell { packages = ["jq"] }',
        'fetch { url = "x" }',
        'fetch { url = "https://x/y", size = -1 }',
        'fetch { urls = ["https://x/y", "z"] }',
        'fetch { url = "https://x/y", sha256 = "5" }',
        'shell { services = { "a b" = service { start = "a" } } }',
    ],
)
def test_fields_of_services_shells_and_fetches(cache: Path, text: str) -> None:
    with pytest.raises(EvalError) as caught:
        evaluate(cache, f"to-json({text}.root or null)", Everything())
    assert caught.value.file == "<command line>"


def test_a_name_that_no_image_can_have_is_fine_for_a_shell(cache: Path) -> None:
    evaluate(cache, 'shell { name = "My Shell" }.root.out', Everything())
