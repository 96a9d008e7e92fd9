"""Test which commands of maintainer scripts are recognised and which are skipped."""

from __future__ import annotations

import time

import pytest
from fpack.builders.debian.maintainer_scripts import accounts, alternatives

AWK = ["/usr/bin/awk", "awk", "/usr/bin/mawk", 5]


def test_a_literal_call_with_slaves() -> None:
    script = """#!/bin/sh
set -e
case "$1" in
    configure)
        update-alternatives --install /usr/bin/awk awk /usr/bin/mawk 5 \\
            --slave /usr/share/man/man1/awk.1.gz awk.1.gz \\
                /usr/share/man/man1/mawk.1.gz \\
            --slave /usr/bin/nawk nawk /usr/bin/mawk
        ;;
esac
"""
    slaves = [
        ["/usr/share/man/man1/awk.1.gz", "awk.1.gz", "/usr/share/man/man1/mawk.1.gz"],
        ["/usr/bin/nawk", "nawk", "/usr/bin/mawk"],
    ]
    assert alternatives(script) == [[*AWK, slaves]]


@pytest.mark.parametrize(
    "script",
    [
        "update-alternatives --quiet --install /usr/bin/awk awk /usr/bin/mawk 5",
        "/usr/bin/update-alternatives --install /usr/bin/awk awk /usr/bin/mawk 5 || true",
        'if [ "$1" = configure ]; then update-alternatives --install /usr/bin/awk awk /usr/bin/mawk 5; fi',
        "test -x /usr/bin/mawk && update-alternatives --install '/usr/bin/awk' awk \"/usr/bin/mawk\" 5",
        "dir=/usr/bin\nprio=5\nupdate-alternatives --install $dir/awk awk ${dir}/mawk $prio",
        "update-alternatives --install /usr/bin/awk awk /usr/bin/mawk 5 $slaves",
        "for i in awk; do\n  update-alternatives --install /usr/bin/$i $i /usr/bin/m$i 5\ndone",
        "prio=5\nif x; then\n prio=$(expr $prio - 1)\nfi\n"
        "update-alternatives --install /usr/bin/awk awk /usr/bin/mawk $prio",
    ],
)
def test_forms_that_are_understood(script: str) -> None:
    assert alternatives(script) == [[*AWK, []]]


@pytest.mark.parametrize(
    "script",
    [
        "update-alternatives --install /usr/bin/awk awk $(which mawk) 5",
        "update-alternatives --install /usr/bin/awk awk `which mawk` 5",
        "update-alternatives --install /usr/bin/awk awk $unknown/mawk 5",
        "d=/a\nd=/b\nupdate-alternatives --install /usr/bin/awk awk $d/mawk 5",
        "# update-alternatives --install /usr/bin/awk awk /usr/bin/mawk 5",
        "update-alternatives --remove awk /usr/bin/mawk",
        "update-alternatives --install awk awk mawk 5",
        "update-alternatives --install /usr/bin/awk awk /usr/bin/mawk five",
        "update-alternatives --install /usr/../awk awk /usr/bin/mawk 5",
        "update-alternatives --install",
        'echo "update-alternatives --install /usr/bin/awk awk /usr/bin/mawk 5"',
        "update-alternatives --install '/usr/bin/awk awk /usr/bin/mawk 5",
        "for i in $(ls); do\nupdate-alternatives --install /usr/bin/$i awk /usr/bin/mawk 5\ndone",
    ],
)
def test_forms_that_are_left_alone(script: str) -> None:
    assert alternatives(script) == []


def test_a_loop_over_a_variable() -> None:
    script = """
base=/usr/lib/jvm/java
tools='java keytool'
for i in $tools; do
    unset slave1 || true
    if [ -e x ]; then
        slave1="--slave /usr/share/man/$i.1 $i.1 /y"
    fi
    update-alternatives \\
        --install \\
        /usr/bin/$i \\
        $i \\
        $base/bin/$i \\
        2111 \\
        $slave1
done
"""
    assert alternatives(script) == [
        ["/usr/bin/java", "java", "/usr/lib/jvm/java/bin/java", 2111, []],
        ["/usr/bin/keytool", "keytool", "/usr/lib/jvm/java/bin/keytool", 2111, []],
    ]


def test_a_loop_without_end_is_bounded() -> None:
    words = " ".join(f"w{i}" for i in range(2_000))
    script = f"for i in {words}; do\nupdate-alternatives --install /usr/bin/$i $i /usr/bin/x 5\ndone"
    assert 0 < len(alternatives(script)) <= 64


def test_a_huge_script_takes_no_time() -> None:
    start = time.process_time()
    alternatives("A=$A$A$A\n" * 50_000 + "a" * 100_000)
    assert time.process_time() - start < 20


def test_variables_do_not_grow_without_end() -> None:
    script = "A0=" + "x" * 1000 + "\n" + "".join(f"A{i + 1}=$A{i}$A{i}$A{i}\n" for i in range(40))
    assert alternatives(script + "update-alternatives --install /$A40 a /b 1") == []


def user(name: str, **fields: object) -> dict[str, object]:
    record = {
        "name": name, "uid": None, "gid": None, "group": name,
        "home": "/nonexistent", "shell": "/usr/sbin/nologin", "comment": "",
    }  # fmt: skip
    return {**record, **fields}


@pytest.mark.parametrize(
    ("script", "users", "groups"),
    [
        (
            "adduser --system $quiet --home /var/lib/postgresql --no-create-home \\\n"
            '  --shell /bin/bash --group --gecos "PostgreSQL administrator" postgres',
            [user("postgres", home="/var/lib/postgresql", shell="/bin/bash", comment="PostgreSQL administrator")],
            ["postgres"],
        ),
        ("adduser --system --home /run/x --group ${USER} || true", [], []),
        ("USER=redis\nadduser --system --group ${USER} || true", [user("redis")], ["redis"]),
        ("adduser --system --ingroup nogroup --uid 123 x", [user("x", uid=123, group="nogroup")], []),
        ("adduser --system x", [user("x", group="nogroup")], []),
        ("useradd -r -d /srv -s /bin/sh -c 'a b' x", [user("x", home="/srv", shell="/bin/sh", comment="a b")], ["x"]),
        ("useradd --system --gid www-data --no-create-home x", [user("x", group="www-data")], []),
        ("addgroup --system --gid 77 ssl-cert", [], ["ssl-cert"]),
        ("addgroup --quiet --system --force-badname ssl-cert", [], ["ssl-cert"]),
        ("groupadd -g 42 shadow || (", [], ["shadow"]),
        ("adduser --quiet postgres ssl-cert", [], []),
        ("adduser --system 'a:b'", [], []),
        ("adduser --system", [], []),
    ],
)
def test_accounts(script: str, users: list[dict[str, object]], groups: list[str]) -> None:
    found_users, found_groups = accounts(script)
    assert found_users == users
    assert [group["name"] for group in found_groups] == groups
