"""Test what plain Makefiles say of libraries and of where they install."""

from __future__ import annotations

import pytest
from fpack.cli.init.native import make
from fpack.cli.init.native.makefiles.make_files import read_make
from fpack.cli.init.native.makefiles.make_install import has_install
from fpack.cli.init.project import Project


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
