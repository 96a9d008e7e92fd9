"""Settings that change how fpack works and never what it makes.

An option comes first, then the variable of the environment, then the default; `Setting.find` alone knows this order.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from .errors import FpackError

T = TypeVar("T")

_POWERS = {"K": 10, "M": 20, "G": 30, "T": 40}
_MOST = 1e15


class SettingError(FpackError):
    """A setting whose value makes no sense."""

    exit_code = 2


class Setting(Generic[T]):
    """A setting. option, variable: its names. parse: its value of a text, ValueError if it is none.

    wanted: what a value is, as in `a number of days, or none`.
    """

    def __init__(
        self, option: str, variable: str, parse: Callable[[str], T], default: Callable[[], T], wanted: str
    ) -> None:
        self.option = option
        self.variable = variable
        self._parse = parse
        self._default = default
        self._wanted = wanted

    def find(self, given: str | None = None, environ: Mapping[str, str] = os.environ) -> T:
        """The value that holds. given: what the option says, if it was given."""
        for name, text in ((self.option, given), (self.variable, environ.get(self.variable))):
            if text:
                try:
                    return self._parse(text.strip())
                except ValueError:
                    raise SettingError(f"{name} is {self._wanted}", why=f"it was given {text[:60]!r}") from None
        return self._default()

    @property
    def names(self) -> str:
        """How to set it, for messages."""
        return f"{self.option} or {self.variable}"


def amount(text: str) -> float | None:
    """Parse a number that is not negative; None for `none`, which sets no limit."""
    if text.lower() == "none":
        return None
    if not text.replace(".", "", 1).isdecimal() or not text.isascii():
        raise ValueError(text)
    value = float(text)
    if value > _MOST:
        raise ValueError(text)
    return value


def size(text: str) -> int | None:
    """Parse a size in bytes, as in 512M or 1.5G; None for `none`, which sets no limit."""
    letter = text[-1:].upper()
    value = amount(text[:-1] if letter in _POWERS else text)
    if value is None:
        return None
    return int(value * (1 << _POWERS.get(letter, 0)))


# A stable release of Debian has no Valid-Until. It is signed again at each point release, every two to five months, and
# once more when the next release takes its name; that one stands for about thirteen months of long-term support. Suites
# that change daily, and the security suites, have a Valid-Until of a week.
MAX_INDEX_DAYS = 450.0
MAX_INDEX_AGE: Setting[float | None] = Setting(
    "--max-index-age", "FPACK_MAX_INDEX_AGE", amount, lambda: MAX_INDEX_DAYS, "a number of days, or none"
)

EVAL_SECONDS = 300.0


def _half_of_memory() -> int:
    """Return half of the memory that this machine has, or that this container may take."""
    most = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for place in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            with open(place, "rb") as file:
                most = min(most, int(file.read()))
        except (OSError, ValueError):  # there is none, or it is `max`
            continue
    return most // 2


EVAL_MEMORY: Setting[int | None] = Setting(
    "--eval-memory", "FPACK_EVAL_MEMORY", size, _half_of_memory, "a size, as in 512M or 8G, or none"
)
EVAL_TIME: Setting[float | None] = Setting(
    "--eval-time", "FPACK_EVAL_TIME", amount, lambda: EVAL_SECONDS, "a number of seconds, or none"
)
