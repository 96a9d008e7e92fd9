"""Similar names: the likeliest first, none that resembles nothing, and never a known name twice."""

from __future__ import annotations

import pytest
from fpack.store.errors import FpackError, did_you_mean, malformation, similar

KNOWN = ("postgres", "python", "static", "run-options", "runs")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("postgrs", ["postgres"]),
        ("Run_Options", ["run-options"]),
        ("urns", ["runs"]),
        ("nothing-alike", []),
        ("", []),
    ],
)
def test_a_misspelt_name_has_its_likeliest_name(name: str, found: list[str]) -> None:
    assert similar(name, KNOWN) == found
    assert did_you_mean(name, KNOWN) == (f"did you mean `{found[0]}`?" if found else "")


def test_several_names_are_offered_each_once() -> None:
    assert similar("lib1", ["lib2", "lib1", "lib3", "lib1"], 3)[0] == "lib1"
    assert did_you_mean("liba", ["lib2", "lib3"], 2) == "did you mean `lib3` or `lib2`?"
    assert len(similar("lib", [f"lib{i}" for i in range(9)], 3)) == 3


class Failed(FpackError):
    """An error with an attribute of its own, and with arguments that differ from its base's."""

    retries = 0

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} failed", where=name)
        self.name = name


def test_a_completed_error_is_a_copy() -> None:
    with pytest.raises(Failed) as caught:
        raise Failed("hello")
    error = caught.value
    completed = error.with_(hint="try again", retries=2, exit_code=5)
    assert type(completed) is Failed and str(completed) == str(error) == "hello failed (hello)"
    assert (completed.hint, completed.retries, completed.exit_code, completed.name) == ("try again", 2, 5, "hello")
    assert (error.hint, error.retries, error.exit_code) == ("", 0, 1)
    assert completed.args == error.args and completed.__traceback__ is error.__traceback__ is not None
    with pytest.raises(TypeError, match="hnit"):
        error.with_(hnit="try again")


def test_the_word_of_another_tool_is_known_if_it_has_a_field() -> None:
    assert did_you_mean("cmd", ["command", "env"]) == "did you mean `command`?"
    assert did_you_mean("nativeBuildInputs", ["tools"]) == "did you mean `tools`?"
    assert did_you_mean("cmd", ["env"]) == ""


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (KeyError("version"), "'version' is missing or unknown"),
        (KeyError("x" * 1000), f"'{'x' * 99} is missing or unknown"),
        (TypeError("'int' object is not iterable"), "a value in it has another type than expected"),
        (AttributeError("'str' object has no attribute 'get'"), "a value in it has another type than expected"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "it is not UTF-8"),
        (RecursionError("maximum recursion depth exceeded"), "it is nested too deeply"),
        (ValueError("its entries are not sorted"), "its entries are not sorted"),
        (FpackError("The manifest is invalid"), "The manifest is invalid"),
        (FpackError("The manifest is invalid", why="it is empty"), "it is empty"),
    ],
)
def test_malformed_data_is_described_without_the_words_of_python(error: Exception, told: str) -> None:
    assert malformation(error) == told
