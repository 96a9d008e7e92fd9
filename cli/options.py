"""Add the options that several verbs share to commands of click. Their values: shared_options.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import click
from fpack.cli.option_table import (
    BUILDING,
    CHOICE,
    CONTAINER,
    EVALUATING,
    EXISTING,
    EXPRESSION,
    FETCH_FIXED,
    FILE,
    FLAG,
    LOCKING,
    MIRROR,
    NEW,
    NUMBER,
    OF_FILE,
    OUTPUT,
    PLAIN_HTTP,
    SETTING,
    SWITCH,
    TOGETHER,
    Option,
    split,
)  # fmt: skip
from fpack.cli.shared_options import SharedOptions as SharedOptions
from fpack.cli.shared_options import options as options
from fpack.cli.shared_options import print_json as print_json
from fpack.cli.shared_options import print_members as print_members
from fpack.cli.shared_options import target_text as target_text
from fpack.light_typing import Any
from fpack.store import settings
from fpack.store.settings import EVAL_MEMORY, EVAL_TIME, MAX_INDEX_AGE, Setting

Command = Callable[..., Any]
_PLAIN_HTTP = "fpack.plain-http"  # in click's context
_SETTINGS: dict[str, Setting[Any]] = {setting.option: setting for setting in (EVAL_MEMORY, EVAL_TIME, MAX_INDEX_AGE)}


def size(text: str) -> int | None:
    """Parse the value of an option: a size in bytes, as in 512M. `none` is None."""
    try:
        return settings.size(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a size, as in 512M or 20G") from None


def days(text: str | float) -> float:
    """Parse the value of an option: a number of days, which is not negative, infinite or NaN."""
    try:
        value = settings.amount(str(text))
    except ValueError:
        value = None
    if value is None:
        raise click.BadParameter(f"{text!r} is not a number of days, as in 30")
    return value


class WithCommand(click.Command):
    """A verb whose words after the first `--` are the command of another program, as `command_of` returns them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        before, ctx.meta["fpack.command"] = split(args)
        return super().parse_args(ctx, before)


def command_of(context: click.Context) -> tuple[str, ...] | None:
    """Return the words after `--`, or None without `--`."""
    command: tuple[str, ...] | None = context.meta["fpack.command"]
    return command


class NamedPath(click.Path):
    """A path that is not empty: an empty one would mean the working directory."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path of an option's value."""
        if value == "":
            self.fail("the path is empty", param, ctx)
        return super().convert(value, param, ctx)


class OutputPath(NamedPath):
    """A path that the command writes. It is no part of the sources that the command reads."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path of an option's value."""
        from fpack.store.files.filters.own_outputs import leave_out

        path = super().convert(value, param, ctx)
        leave_out(path)
        return path


def from_table(options: Sequence[Option]) -> Callable[[Command], Command]:
    """Return a decorator that adds options to a command."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = _click_option(option)(command)
        return command

    return decorate


def _click_option(option: Option) -> Callable[[Command], Command]:
    names = [*option.names, option.field]
    if option.kind == FLAG:
        return click.option(*names, is_flag=True, help=option.help)
    if option.kind == SWITCH:
        return click.option("/".join(option.names), option.field, default=None, help=option.help)
    attributes: dict[str, Any] = {"metavar": option.metavar, "help": option.help, "multiple": option.many}
    if option.kind == CHOICE:
        attributes["type"] = click.Choice(option.choices)
    elif option.kind == NUMBER:
        attributes["type"] = click.IntRange(option.least, option.most)
    elif option.kind in (FILE, NEW):
        attributes["type"] = NamedPath(path_type=Path, dir_okay=option.kind == NEW)
    elif option.kind == OUTPUT:
        attributes["type"] = OutputPath(path_type=Path)
    elif option.kind == EXISTING:
        attributes["type"] = click.Path(exists=True)
    elif option.kind == SETTING:
        attributes["callback"] = _check(_SETTINGS[option.names[0]])
    elif option.kind == MIRROR:
        attributes |= {"multiple": True, "callback": _check_mirror}
    if option.default is not None:
        attributes["default"] = option.default
    if option.bare is not None:
        attributes |= {"is_flag": False, "flag_value": option.bare}
    return click.option(*names, **attributes)


def _check(setting: Setting[Any]) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    """Return the callback of a setting's option. The value stays a text; an invalid text is an error."""

    def check(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
        setting.find(value)
        return value

    return check


def _check_mirror(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> str | None:
    """Check the mirrors of the option, which may be repeated. Return them as one text, or None."""
    value = " ".join(values) if values else None
    if value is not None:
        from fpack.builders.debian.mirrors import ONLY, MirrorError, parse_base
        from fpack.cli.errors import UsageError

        words = value.split()
        if not words:
            raise UsageError("--mirror is empty", hint="give a URL, as in --mirror URL, or leave the option out")
        try:
            for word in words:
                if word != ONLY:
                    parse_base(word)
        except MirrorError as error:
            raise UsageError(
                f"--mirror: {error.what}",
                hint="use http, https or file URLs: --mirror URL, or --mirror 'debian=URL debian-security=URL'",
            ) from None
    return value


evaluating = from_table(EVALUATING)  # for verbs that evaluate the language: its limits
locking = from_table(LOCKING)  # for verbs that use the lock: also those of `evaluating`
building = from_table(BUILDING)  # for verbs that build: also those of `locking`


def _use_plain_http(context: click.Context, parameter: click.Parameter, value: bool) -> bool:
    use_plain_http(value)
    return value


def use_plain_http(value: bool) -> None:
    """Keep the option --plain-http in click's context: references are opened far from the verb's options."""
    click.get_current_context().meta[_PLAIN_HTTP] = value


def uses_plain_http() -> bool:
    """Return whether the command line has --plain-http."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(_PLAIN_HTTP))


plain_http = click.option(  # for verbs that take references to images in registries
    *PLAIN_HTTP.names, is_flag=True, expose_value=False, callback=_use_plain_http, help=PLAIN_HTTP.help
)


def of_file(command: Command) -> Command:
    """Add the options of verbs about an image that may be in a file or in a registry."""
    return from_table(OF_FILE)(plain_http(command))


together = from_table((TOGETHER,))
of_container = from_table(CONTAINER)  # for verbs that change fields of a container, see images/container_options.py
of_any = from_table((EXPRESSION, TOGETHER))  # for verbs about whatever a file or an expression has


sources = click.option(  # for verbs that build the image of a file again
    "--source",
    "sources",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    metavar="PATH",
    help="With --rebuild: a file or directory of the project that the image does not carry; can be repeated.",
)


def of_vulnerabilities(command: Command) -> Command:
    """Add the options that name vulnerability data, as `data`, and VEX documents, as `documents`, to a command."""
    data = click.option(
        "--data",
        "data",
        multiple=True,
        metavar="PATH|URL",
        help="Vulnerability data, in place of that of the settings: a file, directory or URL; can be repeated.",
    )
    vex = click.option(
        "--vex",
        "documents",
        multiple=True,
        type=NamedPath(path_type=Path, exists=True, dir_okay=False),
        metavar="FILE",
        help="A VEX document of another author, OpenVEX or CSAF; can be repeated.",
    )
    return data(vex(command))


fetch_fixed = from_table((FETCH_FIXED,))  # for verbs that judge vulnerabilities by the content of an image


def of_rebuilders(command: Command) -> Command:
    """Add the options that require rebuilders: `rebuilt`, their answers as `bundle`, and `policy`."""
    rebuilt = click.option(
        "--rebuilt",
        is_flag=False,
        flag_value="",
        metavar="[N[/M]]",
        help="N of the M operators of rebuilders must have reproduced each Debian package; see fpack rebuilders.",
    )
    bundle = click.option(
        "--rebuilders",
        "bundle",
        type=NamedPath(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="With --rebuilt: answers that fpack rebuilders fetch wrote; ask nobody.",
    )
    policy = click.option(
        "--policy",
        type=NamedPath(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="With --rebuilt: the file of rebuilders. Default: ~/.config/fpack/rebuilders.toml.",
    )
    return rebuilt(bundle(policy(command)))
