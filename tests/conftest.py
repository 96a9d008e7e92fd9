"""Fixtures that every room's tests share."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A machine that does much else is slow, and no reason to fail.
for name, examples in (("quick", 30), ("full", 60)):
    settings.register_profile(name, max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

sys.path.insert(0, str(Path(__file__).parent))

# The disk of the machine that runs the tests may be low; collections are for the tests that ask for them.
os.environ["FPACK_GC_AUTOMATIC"] = "0"

# A shell starts what it puts into the background with SIGINT and SIGQUIT ignored, and nohup ignores SIGHUP. Programs
# inherit that: those that tests interrupt would go on.
for number, handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, signal.SIG_DFL),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With FPACK_TESTS=all, fail tests that are skipped because something is not installed."""
    report = yield
    if report.skipped and os.environ.get("FPACK_TESTS") == "all" and "not installed" in str(report.longrepr):
        report.outcome = "failed"
    return report


def pytest_configure(config: pytest.Config) -> None:
    """Give each test, and a run in parallel, a limit of time."""
    from support import time_limits

    time_limits.pytest_configure(config)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Share the compilation of the test files among the workers, and keep what is collected out of the cyclic gc.

    Collecting makes a million objects that stay to the end. The gc would go through them again and again, now and in
    the tests: a third of the time to collect.
    """
    from support.shared_compilation import import_share

    gc.disable()
    try:
        import_share(session.config)
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import modules of attacks for a run without attacks."""
    from support.attacks.attack_report import is_attack_module, without_attacks

    return True if is_attack_module(collection_path) and without_attacks(config) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the attacks, which are many, so that a run can leave them out."""
    from support.attacks.attack_report import is_attack

    for item in items:
        if is_attack(item, set()):
            item.add_marker("attack")
