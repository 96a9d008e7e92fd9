"""Run maintainer scripts of small packages, and look at what is kept."""

from __future__ import annotations

import hashlib
import os

import pytest
from support.archives.debs import file, folder, symlink
from support.stores.configured import FAKETIME, Configurer, Package


@pytest.mark.slow
def test_a_file_that_a_script_writes_is_kept_with_its_origin(caller: Configurer) -> None:
    script = "#!/bin/sh\necho hello > /etc/made; chmod 640 /etc/made; chown 0:42 /etc/made; ln -s made /etc/link\n"
    made = caller.postinst(script)
    assert set(made.entries) == {"etc/made", "etc/link"}
    entry = made.entries["etc/made"]
    assert (entry.kind, entry.mode, entry.uid, entry.gid, entry.group) == ("f", 0o640, 0, 42, "shadow")
    assert made.text("etc/made") == "hello\n" and made.entries["etc/link"].target == "made"
    digest = hashlib.sha256(script.encode()).hexdigest()
    assert made.extra["configured"] == [
        [b"etc/link", "it", "postinst", digest],
        [b"etc/made", "it", "postinst", digest],
    ]


def test_dependencies_come_first_and_each_change_has_the_script_that_made_it_last(caller: Configurer) -> None:
    made = caller.configure(
        Package("a", {"postinst": "cat /etc/from-b > /etc/from-a; echo a >> /etc/shared"}, depends=["lib"]),
        Package("b", {"postinst": "echo b > /etc/from-b; echo b > /etc/shared"}),
        Package("lib", depends=["b"]),
    )
    assert made.text("etc/from-a") == "b\n" and made.text("etc/shared") == "b\na\n"
    assert made.origins == {
        "etc/from-a": ("a", "postinst"), "etc/from-b": ("b", "postinst"), "etc/shared": ("a", "postinst")
    }  # fmt: skip
    assert [line for line in made.lines if line.startswith("==>")] == ["==> b: postinst", "==> a: postinst"]


def test_what_runs_before_a_package_is_unpacked_runs_too_unless_it_diverts_files(caller: Configurer) -> None:
    seen = 'echo "$1 $DPKG_MAINTSCRIPT_PACKAGE $DPKG_MAINTSCRIPT_NAME" >'
    divert = "dpkg-divert --package b --rename --divert /etc/b.old --add /etc/b"
    made = caller.configure(
        Package("a", {"preinst": f"{seen} /etc/first", "postinst": f"cat /etc/first; {seen} /etc/second"}),
        Package("b", {"preinst": divert, "postinst": "cat /etc/b"}, files={"etc/b": "b"}),
        Package("c", {"preinst": f"{seen} /etc/third"}),
    )
    assert made.text("etc/first") == "install a preinst\n" and made.text("etc/second") == "configure a postinst\n"
    assert made.text("etc/third") == "install c preinst\n" and made.removed == {}
    assert made.origins["etc/first"] == ("a", "preinst") and made.origins["etc/second"] == ("a", "postinst")


def test_a_script_without_an_interpreter_is_one_of_the_shell(caller: Configurer) -> None:
    """As dpkg runs it; what the kernel cannot run for another reason stays an error."""
    made = caller.configure(
        Package("a", {"preinst": "# no interpreter\necho $0 $1 > /etc/first\n", "postinst": "# none\ncat /etc/first\n"})
    )
    assert made.text("etc/first").endswith("preinst install\n")


def test_packages_that_depend_on_each_other_are_configured(caller: Configurer) -> None:
    made = caller.configure(
        Package("a", {"postinst": "echo a > /etc/a"}, depends=["b"], fields={"Depends": "b"}),
        Package("b", {"postinst": "echo b > /etc/b"}, depends=["a"], fields={"Depends": "a"}),
    )
    assert set(made.entries) == {"etc/a", "etc/b"}


def test_a_script_finds_the_modes_and_owners_of_the_packages(caller: Configurer) -> None:
    items = [
        file("./etc/private", "x", 0o640, gid=42),
        file("./usr/bin/su", "x", 0o4755),
        folder("./var/lib/it", 0o2750, uid=33, gid=33),
        file("./var/lib/it/f", "x"),
    ]
    paths = "/etc/private /usr/bin/su /var/lib/it"
    made = caller.configure(
        Package("it", {"postinst": f"stat -c '%n %a %u %g' {paths} > /etc/seen; chmod 4755 /usr/bin/su"}, items=items)
    )
    assert made.text("etc/seen").splitlines() == [
        "/etc/private 640 0 42", "/usr/bin/su 4755 0 0", "/var/lib/it 2750 33 33",
    ]  # fmt: skip
    assert set(made.entries) == {"etc/seen"}


def test_modes_of_the_store_are_not_kept(caller: Configurer) -> None:
    items = [file("./usr/share/it/template", "key=old\n"), file("./usr/share/it/tool", "#!/bin/sh\n", 0o755),
             file("./etc/edited", "key=old\n"), file("./etc/strict", "key=old\n", 0o600)]  # fmt: skip
    made = caller.configure(
        Package("it", {"postinst": """
            cp -p /usr/share/it/template /etc/copied
            cp -p /usr/share/it/template /etc/changed; sed -i s/old/new/ /etc/changed /etc/edited /etc/strict
            cp -p /usr/share/it/tool /etc/tool
        """}, items=items)
    )  # fmt: skip
    modes = {path: entry.mode for path, entry in made.entries.items()}
    assert modes == {"etc/copied": 0o644, "etc/changed": 0o644, "etc/edited": 0o644, "etc/strict": 0o600,
                     "etc/tool": 0o755}  # fmt: skip
    assert made.text("etc/edited") == "key=new\n" and made.text("etc/copied") == "key=old\n"


def test_files_that_a_script_makes_executable_are_so(caller: Configurer) -> None:
    items = [file("./usr/bin/on", "on"), file("./usr/bin/off", "off", 0o755), file("./usr/bin/same", "same", 0o755)]
    script = "chmod a+x /usr/bin/on /usr/bin/same; chmod a-x /usr/bin/off; cp -p /usr/bin/on /usr/bin/copy"
    made = caller.configure(Package("it", {"postinst": script}, items=items))
    assert {path: entry.mode for path, entry in made.entries.items()} == {
        "usr/bin/on": 0o755,
        "usr/bin/off": 0o644,
        "usr/bin/copy": 0o755,
    }


def test_what_a_script_leaves_as_it_was_is_no_change(caller: Configurer) -> None:
    items = [file("./etc/file", "x"), file("./etc/other", "x"), symlink("./etc/link", "file")]
    made = caller.configure(
        Package("it", {"postinst": """
            cp /etc/file /etc/new; mv /etc/new /etc/file; touch /etc/other; chmod 644 /etc/other
            ln -sfn file /etc/link; mkdir /etc/d; rmdir /etc/d; echo > /tmp/x; echo > /run/x; chmod 755 /etc
        """}, items=items)
    )  # fmt: skip
    assert made.entries == {} and made.removed == {} and made.unstable == {}


def test_removed_files_are_listed(caller: Configurer) -> None:
    items = [file("./etc/one", "1"), file("./opt/d/two", "2"), file("./opt/d/e/three", "3"), symlink("./opt/l", "d"),
             file("./srv/d/old", "4"), file("./srv/d/kept", "5")]  # fmt: skip
    made = caller.configure(
        Package("a", {"postinst": "rm /etc/one; rm -r /opt/d /opt/l"}, items=items),
        Package("b", {"postinst": "rm -r /srv/d; mkdir /srv/d; echo 6 > /srv/d/new; printf 5 > /srv/d/kept"}),
    )
    removed = {path: package for path, (package, _) in made.removed.items()}
    assert removed == {"etc/one": "a", "opt/d/two": "a", "opt/d/e/three": "a", "opt/l": "a", "srv/d/old": "b"}
    assert set(made.entries) == {"srv/d/new"}


def test_directories_are_kept_if_they_are_empty_or_have_an_owner(caller: Configurer) -> None:
    made = caller.configure(
        Package("it", {"postinst": """
            mkdir -p /var/lib/it/deep /srv/plain; echo > /srv/plain/f; chown 33:33 /var/lib/it; chmod 2775 /srv
            mkdir /var/log/it; chown 33:4 /var/log/it; echo > /var/log/it/log; mkdir /var/cache/it
        """}, items=[folder("./srv"), file("./srv/x")])
    )  # fmt: skip
    found = {path: (entry.kind, entry.mode, entry.uid) for path, entry in made.entries.items()}
    assert found == {
        "srv": ("d", 0o2775, 0), "srv/plain/f": ("f", 0o644, 0), "var/cache/it": ("d", 0o755, 0),
        "var/lib/it": ("d", 0o755, 33), "var/lib/it/deep": ("d", 0o755, 0), "var/log/it": ("d", 0o755, 33),
    }  # fmt: skip


def test_set_id_bits_are_recorded_beside_the_files_and_kept_on_directories(caller: Configurer) -> None:
    made = caller.configure(
        Package("it", {"postinst": "chmod 2755 /usr/bin/agent; chgrp 42 /usr/bin/agent; chmod g+s /usr/bin/agent; "
                       "mkdir /var/it; chmod 2775 /var/it"}, items=[file("./usr/bin/agent", "x", 0o755)])
    )  # fmt: skip
    entry = made.entries["usr/bin/agent"]
    assert (entry.mode, entry.gid) == (0o755, 42) and made.entries["var/it"].mode == 0o2775
    assert made.extra["setuid"] == [["/usr/bin/agent", 0o2755]]


def test_accounts_are_told_and_not_kept_as_files(caller: Configurer) -> None:
    made = caller.configure(
        Package("it", {"postinst": """
            keepers=$(echo keepers) itself=$(echo itself) plain=$(echo plain)  # fpack cannot read these off the script
            groupadd -r -g 150 $keepers; useradd -r -u 151 -g keepers -d /var/lib/it -s /bin/sh -c 'it itself' $itself
            useradd -r -u 152 -U -d /srv -s /bin/sh $plain; usermod -a -G games itself; usermod -a -G keepers plain
            mkdir /var/lib/it; chown itself:keepers /var/lib/it
        """})
    )  # fmt: skip
    users, groups = ({record["name"]: record for record in made.extra[name]} for name in ("users", "groups"))
    assert users["itself"] == {
        "name": "itself", "uid": 151, "gid": None, "group": "keepers", "home": "/var/lib/it", "shell": "/bin/sh",
        "comment": "it itself",
    }  # fmt: skip
    assert (users["plain"]["uid"], users["plain"]["gid"], users["plain"]["group"]) == (152, 152, "plain")
    assert groups["games"] == {"name": "games", "gid": 60, "members": ["itself"]}
    assert groups["keepers"] == {"name": "keepers", "gid": 150, "members": ["plain"]}
    assert users["root"]["uid"] == 0 and groups["shadow"]["gid"] == 42
    (path,) = made.entries
    entry = made.entries[path]
    assert (path, entry.uid, entry.user, entry.gid, entry.group) == ("var/lib/it", 151, "itself", 150, "keepers")


def test_triggers_are_processed_after_the_packages(caller: Configurer) -> None:
    postinst = '[ "$1" != triggered ] || echo "$2" >> /etc/triggered'
    made = caller.configure(
        Package("catcher", {"postinst": postinst, "triggers": "interest-noawait it-changed\ninterest /usr/share/it\n"}),
        Package("thrower", {"postinst": "dpkg-trigger it-changed; dpkg-trigger --no-await /usr/share/it/x"},
                depends=["catcher"]),
        Package("active", {"postinst": ":", "triggers": "activate-noawait it-changed\n"}, depends=["catcher"]),
    )  # fmt: skip
    assert sorted(made.text("etc/triggered").split()) == ["/usr/share/it", "it-changed"]
    assert made.origins["etc/triggered"] == ("catcher", "postinst")


def test_alternatives_are_those_of_debian(caller: Configurer) -> None:
    made = caller.configure(
        Package("it", {"postinst": "update-alternatives --install /usr/bin/thing thing /usr/bin/thing.it 10"},
                items=[file("./usr/bin/thing.it", "#!/bin/sh\n", 0o755)])
    )  # fmt: skip
    targets = {path: entry.target for path, entry in made.entries.items()}
    # The second is in the place of the link that fpack made.
    assert targets == {
        "etc/alternatives/thing": "/usr/bin/thing.it", "usr/bin/thing": "/etc/alternatives/thing",
    }  # fmt: skip


def test_state_of_dpkg_caches_logs_and_temporary_files_are_dropped(caller: Configurer) -> None:
    paths = ["/var/log/x", "/var/log/d/x", "/var/cache/debconf/config.dat", "/var/lib/ucf/hashfile", "/var/tmp/x",
             "/etc/ld.so.cache", "/etc/machine-id", "/etc/x.dpkg-old", "/etc/group-", "/var/lib/dpkg/x",
             "/usr/lib/x.pyc", "/usr/lib/__pycache__/x", "/sys/x", "/var/backups/x",
             "/var/lib/systemd/deb-systemd-helper-enabled/x"]  # fmt: skip
    made = caller.postinst("".join(f"mkdir -p {os.path.dirname(path)}; echo > {path}\n" for path in paths))
    files = {path for path, entry in made.entries.items() if entry.kind == "f"}
    assert not files and not made.unstable, (files, made.unstable)


# Two runs.


# Only the second run has processes with such numbers.
SECOND = "[ $$ -gt 4000 ]"


def test_what_two_runs_make_differently_is_listed_and_not_kept(caller: Configurer) -> None:
    made = caller.postinst(
        f"""
        od -An -N16 -tx1 /dev/urandom > /etc/random; echo $$ > /etc/pid; hostname > /etc/host
        ln -s "$(cat /etc/random)" /etc/link; touch /etc/mode /etc/owner "/etc/name-$$"; mkdir /srv/d
        if {SECOND}; then touch /etc/once; chmod 600 /etc/mode; chown 1 /etc/owner; chmod 700 /srv/d; fi
        mkfifo /etc/fifo; cd /etc; attacker socket socket
        """
    )
    assert "etc/host" in made.entries and made.text("etc/host") == "localhost\n"
    assert {path for path in made.entries if path.startswith(("etc", "srv/"))} == {"etc/host"}
    reasons = {path: reason for path, (package, reason) in made.unstable.items() if package == "it"}
    assert {path: reason.removeprefix("two runs differ in its ") for path, reason in reasons.items()} | {
        "etc/random": "content", "etc/pid": "content", "etc/link": "target", "etc/mode": "mode", "etc/owner": "owner",
        "srv/d": "mode", "etc/once": "only one of two runs changed it",
        "etc/fifo": "it is no file, directory or symlink", "etc/socket": "it is no file, directory or symlink",
    } == {path: reason.removeprefix("two runs differ in its ") for path, reason in reasons.items()}  # fmt: skip
    assert len([path for path in reasons if path.startswith("etc/name-")]) == 2


def test_the_second_run_has_another_date(caller: Configurer) -> None:
    if not os.path.exists(FAKETIME):
        pytest.skip("faketime is not installed")
    made = caller.postinst("date +%Y%m > /etc/month; date -d @$SOURCE_DATE_EPOCH +%Y > /etc/epoch")
    assert made.text("etc/epoch") == "1980\n"
    assert made.unstable["etc/month"] == ("it", "two runs differ in its content")


def test_hashes_of_perl_and_python_have_one_order(caller: Configurer) -> None:
    made = caller.postinst("echo $PERL_HASH_SEED $PERL_PERTURB_KEYS $PYTHONHASHSEED > /etc/seeds")
    assert made.text("etc/seeds") == "0 0 0\n"


def test_directories_list_their_entries_by_name(caller: Configurer) -> None:
    files = {f"usr/share/it/{name}": name for name in "abcefgh"} | {f"usr/share/it/d/{name}": name for name in "xyz"}
    script = (
        "cd /usr/share/it; ls -U > /etc/listed; ls -U d > /etc/listed-d; ls > /etc/sorted; cat d/x c > /etc/content\n"
        "rm a; rm -r d; ls -U > /etc/left; test ! -e d"
    )
    made = caller.configure(Package("it", {"postinst": script}, files))
    assert made.unstable == {} and made.text("etc/content") == "xc"
    assert made.text("etc/listed") == made.text("etc/sorted") == "a\nb\nc\nd\ne\nf\ng\nh\n"
    assert made.text("etc/listed-d") == "x\ny\nz\n"
    assert made.text("etc/left") == "b\nc\ne\nf\ng\nh\n"
    assert made.removed.keys() == {"usr/share/it/a", *(f"usr/share/it/d/{name}" for name in "xyz")}


def test_state_in_which_something_differs_is_left_out_whole(caller: Configurer) -> None:
    made = caller.configure(
        Package("it", {"postinst": """
            mkdir -p /var/lib/it/main/base /var/lib/other; echo 1 > /var/lib/it/main/base/1; echo 2 > /var/lib/it/conf
            od -An -N16 -tx1 /dev/urandom > /var/lib/it/main/secret; echo 3 > /var/lib/other/x
            mkdir -p /var/lib/shipped/new; echo 4 > /var/lib/shipped/x; od -N9 /dev/urandom > /var/lib/shipped/random
            mkdir -p /srv/it; od -N9 /dev/urandom > /srv/it/random; echo 5 > /srv/it/x; chown -R 33 /var/lib/it /srv/it
            mkdir -p /var/lib/cache/d; od -N9 /dev/urandom > /var/lib/cache/d/random; echo 6 > /var/lib/cache/d/x
        """}, items=[folder("./var/lib/shipped"), folder("./srv")])
    )  # fmt: skip
    kept = {path for path, entry in made.entries.items() if entry.kind == "f"}
    assert kept == {"var/lib/other/x", "var/lib/shipped/x", "srv/it/x", "var/lib/cache/d/x"}
    assert set(made.unstable) == {"var/lib/it", "var/lib/shipped/random", "srv/it/random", "var/lib/cache/d/random"}
    assert "var/lib/it/main/secret" in made.unstable["var/lib/it"][1]


def test_a_tree_that_must_be_copied_gives_the_same(caller: Configurer) -> None:
    items = [file("./etc/one", "1"), file("./opt/d/two", "2"), file("./etc/edited", "key=old\n"),
             file("./etc/private", "x", 0o640, gid=42), symlink("./etc/link", "one"),
             folder("./var/lib/it", 0o2750)]  # fmt: skip
    script = """
        rm -r /etc/one /opt/d; sed -i s/old/new/ /etc/edited; echo > /etc/new; chmod 600 /etc/private
        ln -sfn new /etc/link; mkfifo /srv/fifo; od -N9 /dev/urandom > /srv/random; chown 33 /var/lib/it
    """
    package = Package("it", {"postinst": script}, items=items)
    one, other = caller.configure(package), caller.configure(package, copied=True)
    assert one.entries == other.entries
    assert one.extra == other.extra and len(other.lines) >= 2
    assert set(other.removed) == {"etc/one", "opt/d/two"} and len(other.unstable) == 2


# Failures.


def test_a_script_that_fails_is_named_with_its_last_lines(caller: Configurer) -> None:
    result = caller.attempt(
        Package("good", {"postinst": "echo fine"}), Package("bad", {"postinst": "echo why; exit 3"})
    )
    assert result.path is None
    assert "The script postinst of bad failed" in result.error and "why" in result.error.splitlines()
    assert 'configure = { skip = ["bad"] }' in result.error and "fpack log" in result.error


def test_skipped_packages_do_not_run_and_do_not_stop_others(caller: Configurer) -> None:
    made = caller.configure(
        Package("bad", {"postinst": "exit 3"}),
        Package("good", {"postinst": "echo > /etc/good"}, depends=["bad"], fields={"Depends": "bad"}),
        skip=["bad"],
    )
    assert set(made.entries) == {"etc/good"}
    assert "skip" in caller.attempt(Package("good", {"postinst": ":"}), skip=["no-such"]).error


def test_a_failure_of_the_second_run_alone_is_reported(caller: Configurer) -> None:
    result = caller.attempt(Package("it", {"postinst": f"if {SECOND}; then echo only here; exit 4; fi"}))
    assert result.path is None and "only here" in result.error and "The script postinst of it failed" in result.error


def test_a_script_of_a_package_that_a_root_lacks_is_an_error(caller: Configurer) -> None:
    assert "limit" in caller.attempt(Package("it", {"postinst": ":"}), no_such=1).error


@pytest.mark.slow
def test_root_and_a_user_get_the_same_output() -> None:
    from support.attacks.builds import MODES
    from support.stores.configured import configurers

    found = []
    script = "mkdir /var/lib/it; chown 65534:65534 /var/lib/it; env | sort > /etc/env; id >> /etc/env"
    for mode in MODES:
        with configurers(mode) as (one,):
            found.append(one.postinst(script).place.name)
    assert len(found) == 2 and found[0] == found[1]


def test_a_script_that_fails_under_another_date_runs_with_the_true_one(caller: Configurer) -> None:
    made = caller.postinst('if [ -n "$LD_PRELOAD" ]; then exit 3; fi; echo 1 > /etc/made')
    assert made.text("etc/made") == "1\n"


def test_what_a_tree_is_already_is_not_made_again(caller: Configurer) -> None:
    made = caller.configure(Package("usrmerge", {"postinst": "exit 1"}), Package("it", {"postinst": "echo > /etc/it"}))
    assert "etc/it" in made.entries
