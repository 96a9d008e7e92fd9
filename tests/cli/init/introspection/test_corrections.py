"""Test that the targets of a build system correct the guesses of `fpack init`."""

from __future__ import annotations

import pytest
from fpack.cli.init.edits import ProjectText
from fpack.cli.init.introspection.corrections import corrections
from fpack.cli.init.introspection.targets import BuildTargets

IMAGE = 'image = container {\n  packages = [wave]\n  entrypoint = ["${wave}/bin/wave"]\n}\n'


def _file(function: str, fields: str = "", image: str = IMAGE) -> str:
    return f'wave = {function} {{\n  name = "wave"\n  source = ./.\n{fields}}}\n\n{image}'


def _corrected(text: str, targets: BuildTargets) -> tuple[str, list[str]]:
    made, why = ProjectText(text), []
    for correct in corrections(targets, "wave"):
        found = correct(made)
        if found is not None:
            made = found.text
            why.append(found.why)
    return made.text, why


def test_the_image_runs_a_program_that_is_installed() -> None:
    text, why = _corrected(_file("cmake"), BuildTargets(("sbin/tide", "bin/tide-test")))
    assert '["${wave}/sbin/tide"]' in text and why == ["wave has no bin/wave, but sbin/tide"]
    assert _corrected(_file("cmake"), BuildTargets(("bin/other", "bin/wave"))) == (_file("cmake"), [])


def test_a_library_has_no_image_and_a_program_has_one() -> None:
    text, _ = _corrected(_file("meson"), BuildTargets((), libraries=True))
    assert "container" not in text and "wave = meson" in text
    text, why = _corrected(_file("meson", image=""), BuildTargets(("bin/x", "bin/Wave"), libraries=True))
    assert 'entrypoint = ["${wave}/bin/Wave"]' in text and why == ["wave installs bin/Wave, so it has an image"]
    assert _corrected(_file("meson", image=""), BuildTargets(("bin/wave-config",), libraries=True))[1] == []
    assert _corrected(_file("meson"), BuildTargets())[1] == [], "nothing is said of anything"


GO = BuildTargets(
    ("bin/wave", "bin/tide", "bin/gen"), members=(("cmd/wave", "wave"), ("tide", "tide"), ("tools/gen", "gen"))
)
RUST = BuildTargets(("bin/tide", "bin/wave"), members=(("tide", "tide"), ("cli", "wave")))


@pytest.mark.parametrize(
    ("function", "fields", "targets", "line"),
    [
        ("go", "", GO, '  packages = ["./cmd/wave", "./tide"]\n'),
        ("go", '  packages = ["./cmds/..."]\n', GO, '  packages = ["./cmd/wave", "./tide"]\n'),
        ("go", '  packages = ["./cmd/..."]\n', GO, None),
        ("go", '  packages = ["./..."]\n', GO, None),
        ("go", "  packages = chosen\n", GO, None),
        ("rust", "", RUST, '  crate = "cli"\n'),
        ("rust", '  crate = "cli"\n', RUST, None),
        ("rust", '  crate = ["cli"]\n', RUST, None),
    ],
)
def test_packages_and_crates_with_programs_are_built(
    function: str, fields: str, targets: BuildTargets, line: str | None
) -> None:
    before = _file(function, fields)
    text, why = _corrected(before, targets)
    assert text == before and not why if line is None else line in text and len(why) == 1


def test_the_image_runs_a_program_of_the_packages_that_are_built() -> None:
    text, _ = _corrected(_file("go", '  packages = ["./tide"]\n'), GO)
    assert '["${wave}/bin/tide"]' in text
