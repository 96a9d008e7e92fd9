"""Test what plain Makefiles say of libraries and of where they install, and what draws on a terminal."""

from __future__ import annotations

import pytest
from fpack.cli.init.guess import Guess
from fpack.cli.init.native import make
from fpack.cli.init.native.makefiles.make_files import read_make
from fpack.cli.init.native.makefiles.make_install import has_install, install_way
from fpack.cli.init.native.terminal import with_terminal_of_python
from fpack.cli.init.project import Project
from fpack.cli.init.python import python


def test_a_library_that_a_variable_names_is_the_projects_own() -> None:
    common = "LIB_BASE = libwave\nLIB_SO = $(LIB_BASE).so.$(VERSION)\nOTHER = libother-1.0\n"
    makefile = "LIBS = -lwave -lother\nTINY = -lwave_tiny\ntiny:\n\t$(MAKE) LIB_BASE=libwave_tiny\n"
    wanted = read_make({"Makefile": makefile, "Makefile.common": common}, "Makefile").wanted
    assert [need.name for item in wanted for need in item.needs] == ["other"]


@pytest.mark.parametrize(
    ("rule", "installs"),
    [
        ("all:\n", False),
        ("install: all\n\t@echo See INSTALL\n\t@printf 'by hand\\n'\n", False),
        ("install:\n\t@echo installing; cp a $(PREFIX)\n", True),
        ("install:\n\t@echo installing > log\n", True),
        ("install: install-bin\n\t@echo done\n", True),
        ("install: all\n\t@echo installing\n\tcp a $(PREFIX)\n", True),
        ("install: ; cp a $(PREFIX)\n", True),
        ("install:: all\n", True),
    ],
)
def test_a_target_that_only_says_how_to_install(rule: str, installs: bool) -> None:
    assert has_install(rule) is installs


def test_files_that_say_where_it_installs_name_the_output() -> None:
    found = make(Project("wave", {"Makefile": "install:\n\t./installer\n", "conf-bin": None, "conf-man": None}))
    assert found is not None
    assert ("patch", '"sed -i -E \\"1s,^/usr(/local)?/,$out/,\\" conf-bin conf-man"') in found.fields
    assert "conf-bin, conf-man say where it installs; with this `patch`, files of `patches` are not applied" in (
        found.reasons
    )


def test_a_root_with_a_value_of_its_own_is_where_it_installs() -> None:
    makefile = (
        "INSTROOT=/depot/wave\nINSTBIN=$(INSTROOT)/bin\nBINDIR=/usr/bin\n"
        "install: wave\n\tinstall wave $(INSTBIN)\n\tinstall wave $(BINDIR)\n"
    )
    assert install_way(makefile).flags == ('BINDIR="$out/bin"', 'INSTROOT="$out"')
    assert install_way(makefile.replace("/depot/wave", "")).flags == ('BINDIR="$out/bin"', 'INSTBIN="$out/bin"')


def test_python_that_draws_on_a_terminal() -> None:
    made = Guess("python", "wave", None, [], [], ["@/bin/wave"], reasons=["x"])
    drawing = {"b.py": "import curses\n", "wave/a.py": "import curses\n\ndef main():\n    curses.wrapper(draw)\n"}
    for guess, why in ((made, "wave/a.py"), (made._replace(uses={"blessed"}), "the package blessed")):
        found = with_terminal_of_python(guess, drawing if guess is made else {})
        assert found.reasons[-1] == f"{why} draws on a terminal, so the image has ncurses-base and TERM=xterm"
        assert (found.image_packages, found.image_env) == (["ncurses-base"], [("TERM", "xterm")])
    quiet = {"a.py": "# curses.wrapper(draw)\nimport curses\n"}
    assert with_terminal_of_python(made, quiet) == made
    assert with_terminal_of_python(made._replace(entrypoint=None), drawing).image_packages == ()


def test_poetry_without_a_build_system_is_left_to_do() -> None:
    poetry = '[tool.poetry]\nname = "wave"\n[tool.poetry.scripts]\nwave = "wave:main"\n'
    found = python(Project("wave", {"pyproject.toml": poetry}))
    assert found is not None and len(found.todo) == 1
    assert found.todo[0].startswith("add a table [build-system] to pyproject.toml: without requires = ")
    for more in ({"setup.py": ""}, {"pyproject.toml": poetry + '[build-system]\nrequires = ["poetry-core"]\n'}):
        other = python(Project("wave", {"pyproject.toml": poetry, **more}))
        assert other is not None and not other.todo
