"""The programs that recipes of Makefiles call, and the files that their tests name."""

from __future__ import annotations

import pytest
from fpack.cli.init.native.makefiles.make_files import read_make
from fpack.cli.init.native.makefiles.make_install import install_way, installed_programs
from fpack.cli.init.native.makefiles.recipes import Rules, expanded
from support.growth import check_linear


def _needs(makefile: str) -> list[str]:
    facts = read_make({"Makefile": makefile}, "Makefile")
    assert all(item.quiet and item.required for item in facts.wanted)
    return [item.needs[0].name for item in facts.wanted]


@pytest.mark.parametrize(
    ("makefile", "programs"),
    [
        # What the default target, `install` and the tests need is made.
        ("all: x.1\nx.1: x.pod\n\tpod2man x.pod > x.1\n", ["pod2man"]),
        ("all: x.1\n%.1: %.pod\n\tpod2man $< > $@\n%.3:\n\tnroff $<\n", ["pod2man"]),
        ("P2M = pod2man\nMAN = x.1\nall: $(MAN)\nx.1: ; $(P2M) x\n", ["pod2man"]),
        ("x:\n\tcc -o x x.c && chrpath -d x\ninstall: x man\nman:\n\t@gzip x; help2man x\n", ["chrpath", "help2man"]),
        ("all:\n\tcc x.c\ncheck:\n\tLANG=C bats x.bats\ntest:\n\tnever x\n", ["bats"]),
        ("all: | dir\n\tgperf x\ndir:\n\tmkdir dir\n", ["gperf"]),
        ("all:\n\techo a && \\\n\t  (cd doc; env A=b xmlto man x.xml)\n", ["xmlto"]),
        # What is not made, may fail, is asked for, is a file or a target of the project, or is of the system.
        ("all:\n\ttrue\ndoc:\n\tdoxygen\ndist:\n\tgit archive HEAD\n", []),
        ("all:\n\t-strip x\n\t-doxygen\n\tdoxygen || true\n\tif which x; then doxygen; fi\n", []),
        ("all: tool\n\ttool x\n\t./run\n\t$(UNKNOWN) x\ntool: t.c\n\tcc t.c\ninstall:\n\tsudo cp x /\n", []),
        ("ifdef DOC\nall:\n\tdoxygen\nendif\nall:\n\techo 'doxygen; x' \"y && z\"\n", []),
        (".PHONY: all\nall:\n\tmake -C lib\n\tgcc x.c\n\tinstall x y\n", []),
    ],
)
def test_programs_that_recipes_call(makefile: str, programs: list[str]) -> None:
    assert sorted(_needs(makefile)) == programs


def test_the_place_of_a_call_is_told_and_each_program_once() -> None:
    (item,) = read_make({"Makefile": "all:\n\tcc x\n\tgperf a\n\tgperf b\n"}, "Makefile").wanted
    assert item.where == "Makefile:3"


def test_files_that_tests_name_are_told() -> None:
    text = "T = a.bats\nall: x\ncheck: all\n\tshellcheck -x run $(T) missing\n"
    facts = read_make({"Makefile": text}, "Makefile", {"run", "a.bats", "other"})
    assert list(facts.test_scripts) == ["run", "a.bats"]


@pytest.mark.parametrize("text", ["a:\n\tb\n", "$(X): $(X)\n\t$(X)\n", "a$(A): a$(A)\n\tgperf; x\n"])
def test_a_long_makefile_is_read_in_time_in_proportion_to_its_length(text: str) -> None:
    def read(number: int) -> None:
        read_make({"Makefile": "X = " + "y " * 2000 + "\nA = $(X)$(X)\nall: a\n" + text * number}, "Makefile")

    check_linear(read, 500)


@pytest.mark.parametrize(
    ("start", "piece"),
    [("install:\n\tinstall ", "."), ("install:\n\t", "install -_ "), ("all:\n\tcc ", "a+"), ("all:\n\tcc `", "a.b-")],
)
def test_a_long_line_is_read_in_time_in_proportion_to_its_length(start: str, piece: str) -> None:
    def read(size: int) -> None:
        makefile = start + piece * (size // len(piece)) + "\n"
        read_make({"Makefile": makefile}, "Makefile")
        install_way(makefile)
        installed_programs(makefile)

    check_linear(read)


def test_rules_of_long_values_are_read_up_to_a_limit() -> None:
    values = {"A": "y " * 2000}
    rules = Rules()
    for number in range(5000):
        rules.add(number, f"t{number}: $(A)$(A)\n", values)
        rules.add(number, "\tgperf", values)
    known = [number for number in range(5000) if list(rules.lines(f"t{number}"))]
    assert known == [*range(len(known))] and 100 < len(known) < 500


def test_a_need_that_stands_often_is_made_once() -> None:
    def read(number: int) -> None:
        rules = Rules()
        for line in (f"all: {'a ' * number}", *["a:"] * number):
            rules.add(1, line, {})
        assert list(rules.builds()) == []

    check_linear(read)


def test_variables_that_grow_without_end_are_left() -> None:
    values = {"A": "$(B)$(B)", "B": "$(A)$(A)", "C": "x" * 5000}
    assert len(expanded("$(A)" * 100, values)) < 10_000 and expanded("$(C)", values) == "$"
    assert list(Rules().programs({})) == []
