"""A Makefile.in without automake: the program that it installs, and where its modules of Perl go."""

from __future__ import annotations

import pytest
from fpack.cli.init.guess import Guess
from fpack.cli.init.native.makefiles.makefile_in import with_makefile_in

GUESS = Guess("autotools", "wave-db", "1", [], [], ["@/bin/wave-db"], [], ["configure", "the image runs wave-db"])
INSTALL = "install:\n\tmkdir -p $(BINDIR)\n# all of them\n\t${INSTALL} -m 755 $(FILES) $(DESTDIR)$(BINDIR)\n"


@pytest.mark.parametrize(
    ("makefile", "program", "staged"),
    [
        (f"# wave-db\nFILES:=wave-show \\\n\twave-add\n{INSTALL}", "wave-add", False),
        (f"FILES = wave-show\n{INSTALL}\nwave-db: x.o\n", "wave-db", False),
        ("install:\n\tcp x $(libdir)\n", "wave-db", False),
        (
            "lib/Makefile: lib/Makefile.PL\n\t(cd lib && perl Makefile.PL)\ninstall:\n\tx DESTDIR=$(DESTDIR)\n",
            "wave-db",
            True,
        ),
        ("lib/Makefile:\n\tperl Makefile.PL PREFIX=$(prefix)\ninstall:\n\tx DESTDIR=$(DESTDIR)\n", "wave-db", False),
        ("lib/Makefile:\n\tperl Makefile.PL\ninstall:\n\tx\n", "wave-db", False),
    ],
)
def test_what_a_makefile_in_installs(makefile: str, program: str, staged: bool) -> None:
    made = with_makefile_in(GUESS, {"Makefile.in": makefile})
    assert made.entrypoint == [f"@/bin/{program}"] and f"the image runs {program}" in made.reasons
    assert any("make install DESTDIR=/build/staged" in value for _, value in made.fields) == staged
    assert with_makefile_in(GUESS, {"Makefile.in": makefile, "Makefile.am": ""}) == GUESS
