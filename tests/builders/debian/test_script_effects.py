"""Test which maintainer scripts can change an image, judged by their text."""

from __future__ import annotations

import pytest
from fpack.builders.debian.script_effects import has_effect, scripts_to_run, scripts_with_effect
from support.growth import check_linear

CONTROL = "Package: app\nVersion: 1\n"
PYTHON = """#!/bin/sh
set -e

# Automatically added by dh_python3
if command -v py3compile >/dev/null 2>&1; then
	py3compile -p app
fi

# End automatically added section
# Automatically added by dh_installdeb/13.11.4
dpkg-maintscript-helper rm_conffile /etc/app 1.2\\~ -- "$@"
# End automatically added section
"""
BRANCHES = """#!/bin/sh -e
case "$1" in
    configure)
    ;;
    abort-upgrade|abort-remove|abort-deconfigure) ;;
    *)
        echo "postinst called with unknown argument \\`$1'" >&2
        exit 1
    ;;
esac
if [ "$1" = "configure" ]; then
    true
fi
exit 0
"""


@pytest.mark.parametrize("script", ["", "#!/bin/sh\n", PYTHON, BRANCHES, PYTHON + BRANCHES])
def test_scripts_without_effect(script: str) -> None:
    assert not has_effect(script)


@pytest.mark.parametrize(
    "script",
    [
        "touch /etc/app\n",
        PYTHON + "touch /etc/app\n",
        BRANCHES.replace("true", "touch /etc/app"),
        BRANCHES.replace("configure)\n", "configure) touch /etc/app\n"),
        BRANCHES.replace(";;\n", "touch /etc/app ;;\n", 1),
        PYTHON.replace("dh_python3", "dh_installsystemd"),
        PYTHON.replace("# End automatically added section\n", "").replace("set -e", "touch /etc/app"),
        PYTHON.replace("# End automatically added section", ""),
        "set -e; touch /etc/app\n",
        "true && touch /etc/app\n",
        "exit 0 || touch /etc/app\n",
        "echo on > /etc/app\n",
        "echo on >> /etc/app\n",
        "echo $(touch /etc/app) >&2\n",
        "echo `touch /etc/app` >&2\n",
        "echo x; touch /etc/app >&2\n",
        "echo x & touch /etc/app >&2\n",
        "echo x | tee /etc/app >&2\n",
        'case "$1" in configure) touch /etc/app ;; esac\n',
        'if [ "$1" = configure ]; then touch /etc/app; fi\n',
        "set -e\\\n; touch /etc/app\n",
        "cat > /etc/app <<E\n#\nE\n",
    ],
)
def test_scripts_with_an_effect(script: str) -> None:
    assert has_effect(script)


def test_scripts_that_are_hard_to_match_take_no_longer_than_others() -> None:
    check_linear(lambda size: has_effect("echo  " * (size // 6)))
    check_linear(lambda size: has_effect("# Automatically added by dh_python3\n" * (size // 4)))


def test_packages_whose_scripts_serve_a_debian_system() -> None:
    script = {"postinst": b"touch /etc/app\n", "preinst": b"exit 0\n", "prerm": b"rm /etc/app\n"}
    assert scripts_with_effect("app", CONTROL, script) == ["postinst"]
    assert scripts_with_effect("libc6", CONTROL, script) == []
    assert scripts_with_effect("libc6x", CONTROL, script) == ["postinst"]
    assert scripts_with_effect("app", f"{CONTROL}Essential: yes\n", script) == []
    assert scripts_with_effect("app", CONTROL, {"prerm": b"rm /etc/app\n"}) == []


def test_scripts_that_prepare_the_tree_for_others_run() -> None:
    links = PYTHON.replace("dh_python3", "dh_installalternatives").encode()
    assert scripts_with_effect("app", CONTROL, {"postinst": links}) == []
    assert scripts_to_run("app", {"postinst": links}) == ["postinst"]
    assert scripts_to_run("debconf", {"postinst": b"touch /etc/app\n"}) == ["postinst"]
    assert scripts_to_run("app", {"postinst": PYTHON.encode()}) == []
    assert scripts_to_run("git", {"preinst": b"mkdir /var/lib/git\n"}) == []
