"""The options of build, shell and run: what a warm start reads of a command line is what click reads of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import pytest
from fpack.cli.builds import warm_start
from fpack.cli.builds.warm_start import BuildRequest
from fpack.cli.option_table import (
    BUILD,
    CHOICE,
    EXISTING,
    FLAG,
    MIRROR,
    NUMBER,
    PLAIN_HTTP,
    RUN,
    SETTING,
    SHELL,
    Option,
    parse,
)
from fpack.cli.shells import arguments
from fpack.cli.verbs import VERBS, command_of

TABLES = {"build": BUILD, "shell": SHELL, "run": RUN}


def values_of(option: Option) -> list[str]:
    if option.kind == CHOICE:
        return list(option.choices)
    if option.kind == NUMBER:
        return [str(option.least), str(option.most)]
    return {EXISTING: ["/etc"], SETTING: ["70000000"], MIRROR: []}.get(option.kind, ["a-value"])


def cases() -> Iterator[tuple[str, Option, list[str]]]:
    for verb, table in TABLES.items():
        for option in table:
            for name in option.names:
                if option.kind == FLAG:
                    yield verb, option, [name]
                    continue
                for value in values_of(option):
                    if not option.bare:
                        yield verb, option, [name, value]
                    if name.startswith("--"):
                        yield verb, option, [f"{name}={value}"]


def by_click(verb: str, words: Sequence[str]) -> dict[str, Any]:
    return command_of(verb).make_context(verb, [*words, "what"]).params


def plain(value: Any) -> Any:
    return [str(each) for each in value] if isinstance(value, (list, tuple)) else str(value)


@pytest.mark.parametrize(
    ("verb", "option", "words"), list(cases()), ids=lambda value: "" if isinstance(value, Option) else None
)
def test_both_parsers_read_an_option_alike(verb: str, option: Option, words: list[str]) -> None:
    found = parse([*words, "what"], TABLES[verb])
    assert found is not None
    values, rest = found
    assert rest == ["what"] and values.keys() == {option.field}
    assert plain(values[option.field]) == plain(by_click(verb, words)[option.field])


@pytest.mark.parametrize("verb", TABLES)
def test_every_option_of_a_command_is_in_the_table(verb: str) -> None:
    names = {name for param in command_of(verb).params if param.param_type_name == "option" for name in param.opts}
    assert names == {name for option in TABLES[verb] for name in option.names}


@pytest.mark.parametrize(
    "words",
    [["--no-such"], ["--network", "up"], ["--network"], ["--jobs", "513"], ["--jobs=x"], ["-kv"], ["--pure=yes"],
     ["-j=2"], ["--expose", "/nowhere"], ["--lock="], ["--mirror", "file:///m"]],
)  # fmt: skip
def test_what_is_wrong_or_uncommon_is_left_to_click(words: list[str]) -> None:
    assert parse(words, SHELL) is None


def test_the_value_of_an_option_is_not_the_package() -> None:
    request = arguments.parse(["run", "--network", "off", "debian.trixie.jq", "--version"])
    assert request is not None and request.what == ("debian.trixie.jq",)
    assert request.options.command == ("", "--version") and not request.options.network
    assert arguments.parse(["run", "package", "word", "--", "program"]) is None


def test_options_that_need_a_build_are_not_answered_from_the_cache(tmp_path: Path) -> None:
    assert warm_start.parse(["app", "-j4"]) is None
    assert warm_start.parse(["app", "-j", "4", "--lock", "l"]) == BuildRequest("app", lock="l")
    for words in (["--explain"], ["--check"], ["--rounds", "2"], ["a", "b"]):
        assert warm_start.parse(words) is None


# Verbs that take no reference to an image and no address of a cache or a mirror, but with the option --mirror.
LOCAL = {
    "build", "bundle", "check", "completion", "config", "doc", "doctor", "eval", "fix", "fmt", "gc", "history", "hook",
    "init", "key", "log", "lsp", "outdated", "rebuilders keys", "repl", "root", "search", "store", "trust",
    "untrust", "update",
}  # fmt: skip


def commands(command: click.Command) -> Iterator[click.Command]:
    """Yield a command, or its subcommands."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield found
    else:
        yield command


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_that_takes_the_address_of_a_registry_has_the_same_option(verb: str) -> None:
    for command in commands(command_of(verb)):
        options = [param for param in command.params if isinstance(param, click.Option)]
        helps = [option.help for option in options if "--plain-http" in option.opts]
        assert helps == ([] if {verb, f"{verb} {command.name}"} & LOCAL else [PLAIN_HTTP.help]), command.name
