"""Settings that change how fpack works and never what it makes: an option, else a variable of the environment, else a
default. `find` is the one place that knows this order.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Generic, NamedTuple, TypeVar

from .errors import FpackError

T = TypeVar("T")

_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,3})?)\s*([kmgt]?)(?:i?b)?\Z", re.IGNORECASE)
_POWERS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}


class SettingError(FpackError):
    """A setting whose value makes no sense."""

    exit_code = 2


class Setting(NamedTuple, Generic[T]):
    """A setting. option, variable: its names. parse: its value of a text, ValueError if it is none."""

    option: str
    variable: str
    parse: Callable[[str], T]
    default: Callable[[], T]
    wanted: str  # what a value is, as in `a number of days, or none`

    def find(self, given: str | None = None, environ: Mapping[str, str] = os.environ) -> T:
        """The value that holds. given: what the option says, if it was given."""
        for name, text in ((self.option, given), (self.variable, environ.get(self.variable))):
            if text:
                try:
                    return self.parse(text.strip())
                except ValueError:
                    raise SettingError(f"{name} is {self.wanted}", why=f"it was given {text[:60]!r}") from None
        return self.default()

    @property
    def names(self) -> str:
        """How to set it, for messages."""
        return f"{self.option} or {self.variable}"


def amount(text: str) -> float | None:
    """A number that is not negative, in some unit; None for `none`, which sets no limit."""
    if text.lower() == "none":
        return None
    value = float(text)
    if not 0 <= value < 1e12:
        raise ValueError(text)
    return value


def size(text: str) -> int | None:
    """A size in bytes, as in 512M or 1.5G; None for `none`, which sets no limit."""
    if text.lower() == "none":
        return None
    match = _SIZE.match(text)
    if match is None:
        raise ValueError(text)
    return int(float(match[1]) * (1 << _POWERS[match[2].lower()]))


# A stable release of Debian has no Valid-Until. It is signed again at each point release, every two to five months, and
# once more when the next release takes its name; that one stands for about thirteen months of long-term support. Suites
# that change daily, and the security suites, have a Valid-Until of a week.
MAX_INDEX_DAYS = 450.0
MAX_INDEX_AGE: Setting[float | None] = Setting(
    "--max-index-age", "FPACK_MAX_INDEX_AGE", amount, lambda: MAX_INDEX_DAYS, "a number of days, or none"
)
