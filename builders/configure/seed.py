"""Define what a tree gets before its first maintainer script, and the environment of scripts.

Programs whose effect is no part of an image are replaced by stubs, which succeed and do nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

# Scripts write it into files: postfix' main.cf, for example. So it is the same in all runs and on all machines.
HOST = "localhost"
POLICY = "usr/sbin/policy-rc.d"
POLICY_TEXT = b"#!/bin/sh\nexit 101\n"  # no service may be started
STUB_TEXT = b"#!/bin/sh\nexit 0\n"
# Path: the reason.
STUBS = {
    "usr/bin/mandb": "it indexes manual pages, in a cache",
    "usr/bin/py3clean": "it deletes compiled modules",
    "usr/bin/py3compile": "compiled modules are a cache",
    "usr/bin/pypy3clean": "it deletes compiled modules",
    "usr/bin/pypy3compile": "compiled modules are a cache",
    "usr/bin/udevadm": "devices belong to the machine",
    "usr/sbin/apparmor_parser": "it loads rules into the kernel",
    "usr/sbin/start-stop-daemon": "no service may be started",
    "usr/sbin/update-grub": "boot loaders belong to the machine",
    "usr/sbin/update-initramfs": "boot images belong to the machine",
}
# The same, in a tree without systemd.
STUBS_WITHOUT_SYSTEMD = {
    "usr/bin/deb-systemd-helper": "nothing reads which units are enabled",
    "usr/bin/deb-systemd-invoke": "no service may be started",
}
_SYSTEMD = "usr/lib/systemd/systemd"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Perl and Python order hashes by a random seed, and some scripts write in that order. All runs have the same seed.
ENVIRONMENT = {
    "DEBCONF_NONINTERACTIVE_SEEN": "true",
    "DEBIAN_FRONTEND": "noninteractive",
    "FORCE_SOURCE_DATE": "1",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "PATH": PATH,
    "PERL_HASH_SEED": "0",
    "PERL_PERTURB_KEYS": "0",
    "PYTHONHASHSEED": "0",
    "SOURCE_DATE_EPOCH": "315619200",  # as in builds
    "TERM": "dumb",
}
_FAKETIME = "/faketime/libfaketime.so.1"
# Packages whose scripts do not run, because a tree is already as they would make it.
DONE = {"usrmerge"}
# Packages whose scripts run programs that never end under another date.
_WITHOUT_OTHER_DATE = {"bind9"}


class Conditions(NamedTuple):
    """The conditions of a run that must not matter. first: the number before that of its first process."""

    first: int
    environment: dict[str, str]


def first_conditions() -> Conditions:
    """Return the conditions of the run whose changes are kept."""
    return Conditions(0, ENVIRONMENT)


def other_conditions(files: Collection[str]) -> Conditions:
    """Return different conditions: another date if the tree has libfaketime, other numbers of processes."""
    changed = dict(ENVIRONMENT)
    library = min((path for path in files if path.endswith(_FAKETIME)), default=None)
    if library:
        changed |= {
            "LD_PRELOAD": f"/{library}",
            "FAKETIME": "+411d",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DISABLE_SHM": "1",
        }
    return Conditions(4000, changed)


def true_date(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a run without another date."""
    return {name: value for name, value in environment.items() if name in ENVIRONMENT}


def of_package(environment: Mapping[str, str], package: str) -> Mapping[str, str]:
    """Return the environment for the scripts of a package."""
    return true_date(environment) if package in _WITHOUT_OTHER_DATE else environment


def stubs(files: Collection[str]) -> list[str]:
    """Return the paths of the programs of a tree that are replaced by stubs."""
    wanted = STUBS if _SYSTEMD in files else {**STUBS, **STUBS_WITHOUT_SYSTEMD}
    return [path for path in sorted(wanted) if path in files]
