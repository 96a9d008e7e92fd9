"""Edits of an fpack.fp add what is asked for, and leave the rest of the text as its author wrote it."""

from __future__ import annotations

import pytest
from fpack.cli.init.edits import CannotEdit, ProjectText, difference

LISTED = "[debian.zlib1g-dev]"  # the list of packages in ALIGNED, for the cases to replace
ALIGNED = """\
# The wave project.
debian = import("fpack/debian").trixie

wave = cmake {
  name   = "wave"
  source = ./. # here
  libs   = [debian.zlib1g-dev]
}
"""


def added(text: str, field: str = "libs", *names: str) -> str:
    """Return the text with packages (libpng-dev by default) added to a field of its first call."""
    file = ProjectText(text)
    return file.with_packages(file.calls()[0], field, names or ("libpng-dev",), "trixie").text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (ALIGNED, ALIGNED.replace("zlib1g-dev]", "zlib1g-dev, debian.libpng-dev]")),
        (ALIGNED.replace(LISTED, "[]"), ALIGNED.replace("zlib1g-dev", "libpng-dev")),
        (ALIGNED.replace(LISTED, "shared"), ALIGNED.replace(LISTED, "[...shared, debian.libpng-dev]")),
        (
            ALIGNED.replace(LISTED, "[\n    debian.zlib1g-dev, # for images\n  ]"),
            ALIGNED.replace(LISTED, "[\n    debian.zlib1g-dev, # for images\n    debian.libpng-dev,\n  ]"),
        ),
        (
            ALIGNED.replace(LISTED, "[\n    debian.zlib1g-dev\n  ]"),
            ALIGNED.replace(LISTED, "[\n    debian.zlib1g-dev,\n    debian.libpng-dev,\n  ]"),
        ),
        (
            ALIGNED.replace("  libs   = [debian.zlib1g-dev]\n", ""),
            ALIGNED.replace("./. # here\n  libs   = [debian.zlib1g-dev]", "./.\n  libs   = [debian.libpng-dev] # here"),
        ),
        (
            'd = import("fpack/debian").trixie\nx = make { name = "x", source = ./. }\n',
            'd = import("fpack/debian").trixie\nx = make { name = "x", source = ./., libs = [d.libpng-dev] }\n',
        ),
        (
            'libs = []\nx = make { name = "x", libs }\n',
            'libs = []\nx = make { name = "x", libs = [...libs, import("fpack/debian").trixie.libpng-dev] }\n',
        ),
        ("make = make {\n}\n", 'make = make { libs = [import("fpack/debian").trixie.libpng-dev] }\n'),
    ],
)  # fmt: skip
def test_a_package_is_added(before: str, after: str) -> None:
    assert added(before).replace("make {  libs", "make { libs").replace("]\n}", "] }") == after.replace("]\n}", "] }")


def test_names_that_are_no_words_are_quoted_and_several_are_added_at_once() -> None:
    made = added(ALIGNED, "tools", "g++", "bison")
    assert 'tools  = [debian."g++", debian.bison]' in made


def test_a_computed_field_is_not_changed() -> None:
    with pytest.raises(CannotEdit):
        added(ALIGNED.replace(LISTED, "if true then [] else []"))


def test_values_are_set_and_replaced() -> None:
    file = ProjectText(ALIGNED)
    made = file.with_value(file.calls()[0], "check", "null")
    assert difference(ALIGNED, made.text) == ["+  check  = null"]
    again = made.with_value(made.calls()[0], "check", '"true"')
    assert difference(made.text, again.text) == ["-  check  = null", '+  check  = "true"']


def test_calls_are_found_with_their_names() -> None:
    text = (
        'a = cmake { name = "wave" }\nb = (make { name = "tide" }).with { strip = false }\n'
        'c = { d = package { name = "deep" } }\ne = container { packages = [a] }\nmeson = meson { name = "m" }\n'
    )
    found = [(call.attribute, call.function, call.name) for call in ProjectText(text).calls()]
    assert found == [
        ("a", "cmake", "wave"), ("b", "make", "tide"), ("meson", "meson", "m"), ("", "package", "deep"),
    ]  # fmt: skip
    container = ProjectText(text).container()
    assert container is not None and container[0].name == "e"


def test_a_field_of_the_file_is_removed() -> None:
    text = ALIGNED + "\nimage = container {\n  packages = [wave]\n}\n\nlast = 1\n"
    file = ProjectText(text)
    found = file.container()
    assert found is not None
    assert file.without(found[0]).text == ALIGNED + "\nlast = 1\n"


def test_a_formatted_file_stays_formatted_and_another_as_it_is() -> None:
    messy = 'x   =   make   { name="x",source = ./. }\n'
    assert added(messy).startswith('x   =   make   { name="x",source = ./., libs = [')
