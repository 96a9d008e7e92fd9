"""Define the settings, which change how fpack works on this machine but never change its outputs.

A value comes from the command line's option, else the environment variable, else the user's file `fpack/config.toml`,
else the default. `Setting.look_up` implements this order.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from fpack.light_typing import Any, Generic, NamedTuple, TypeVar
from fpack.xdg import base_directory

from .errors import FpackError, did_you_mean

T = TypeVar("T")

_POWERS = {"K": 10, "M": 20, "G": 30, "T": 40}
_MAX_FILE = 1 << 20
_MAX_AMOUNT = 1e15


class SettingError(FpackError):
    """A setting that does not exist or has an invalid value."""

    exit_code = 2


class SettingValue(NamedTuple, Generic[T]):
    """A setting's value. text: the value as written, "" for a default. origin: option, variable, file or `default`."""

    value: T
    text: str
    origin: str


class Setting(Generic[T]):
    """A setting.

    key: the name in the file, as in `eval.memory`. option, variable: the other names, "" if there is none.
    parse: converts a text to a value, or raises ValueError. wanted: describes a valid value, for messages.
    """

    def __init__(
        self, key: str, option: str, variable: str, parse: Callable[[str], T], default: Callable[[], T], wanted: str
    ) -> None:
        self.key = key
        self.option = option
        self.variable = variable
        self._parse = parse
        self._default = default
        self._wanted = wanted

    def find(self, given: str | None = None, environ: Mapping[str, str] = os.environ) -> T:
        """Return the value in effect. given: the value of the option, if there is one."""
        return self.look_up(given, environ).value

    def look_up(self, given: str | None = None, environ: Mapping[str, str] = os.environ) -> SettingValue[T]:
        """Return the value in effect and its origin."""
        for name, text in ((self.option, given), (self.variable, environ.get(self.variable))):
            if text:
                return SettingValue(self._parsed(text, name), text, name)
        path = configuration_file(environ)
        text = configuration(path).get(self.key, "")
        if text:
            return SettingValue(self._parsed(text, self.key, path), text, path)
        return SettingValue(self._default(), "", "default")

    def _parsed(self, text: str, name: str, where: str = "") -> T:
        try:
            return self._parse(text.strip())
        except ValueError:
            raise SettingError(f"{name} is {self._wanted}", where=where, why=f"it was given {text[:60]!r}") from None

    @property
    def names(self) -> str:
        """The option and the variable, for messages."""
        return f"{self.option} or {self.variable}"


def configuration_file(environ: Mapping[str, str] = os.environ) -> str:
    """Return the path of the user's configuration file."""
    return f"{base_directory('CONFIG', environ)}/fpack/config.toml"


def configuration(path: str) -> Mapping[str, str]:
    """Return the values of a configuration file by key: texts, with the items of a list separated by spaces.

    Raise SettingError if the file is invalid. Return nothing if it does not exist.
    """
    try:
        with open(path, "rb") as file:
            from fpack import strict_toml

            content = file.read(_MAX_FILE + 1)
            if len(content) > _MAX_FILE:
                raise SettingError("The settings are too large", where=path, why=f"the limit is {_MAX_FILE} bytes")
            tables = strict_toml.parse(content.decode("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise SettingError("The settings cannot be read", where=path, why=error.strerror or "") from None
    except ValueError as error:
        raise SettingError("The settings are not valid TOML", where=path, why=str(error)[:200]) from None
    found = {}
    for table, entries in tables.items():
        for key, value in (entries if isinstance(entries, dict) else {"": entries}).items():
            name = f"{table}.{key}" if key else table
            if name not in KEYS:
                raise _unknown(name, path)
            values = value if isinstance(value, list) else [value]
            if not all(isinstance(item, str | int | float) for item in values):
                raise SettingError(f"{name} is not a string, a number or a list of strings", where=path)
            found[name] = " ".join(str(item).lower() if isinstance(item, bool) else str(item) for item in values)
    return found


def _unknown(name: str, path: str) -> SettingError:
    """Return the error for a setting that does not exist. path: the file that names it."""
    same = [key for key in sorted(KEYS) if key.rpartition(".")[2] == name]
    hint = f"write {same[0]}" if same else did_you_mean(name, KEYS)
    why = f"the settings are {', '.join(sorted(KEYS))}"
    return SettingError(f"There is no setting {name}", where=path, why=why, hint=hint)


def amount(text: str) -> float | None:
    """Parse a number that is not negative. Return None, no limit, for `none`."""
    if text.lower() == "none":
        return None
    if not text.replace(".", "", 1).isdecimal() or not text.isascii():
        raise ValueError(text)
    value = float(text)
    if value > _MAX_AMOUNT:
        raise ValueError(text)
    return value


def size(text: str) -> int | None:
    """Parse a size in bytes, as in 512M or 1.5G. Return None, no limit, for `none`."""
    letter = text[-1:].upper()
    value = amount(text[:-1] if letter in _POWERS else text)
    if value is None:
        return None
    return int(value * (1 << _POWERS.get(letter, 0)))


# A stable release of Debian has no Valid-Until. It is signed again at each point release, every two to five months, and
# a last time when the next release becomes stable, before about thirteen months of long-term support. Suites that
# change daily, and the security suites, have a Valid-Until of a week.
MAX_INDEX_DAYS = 450.0
MAX_INDEX_AGE: Setting[float | None] = Setting(
    "debian.max-index-age",
    "--max-index-age",
    "FPACK_MAX_INDEX_AGE",
    amount,
    lambda: MAX_INDEX_DAYS,
    "a number of days, or none",
)

EVAL_SECONDS = 300.0
MIN_EVAL_MEMORY = 16 << 20  # of bytes; an empty file needs some


def _half_of_memory() -> int:
    """Return half of the memory of this machine, or of the limit of this container if that is lower."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            with open(path, "rb") as file:
                total = min(total, int(file.read()))
        except (OSError, ValueError):  # there is no such file, or it contains `max`
            continue
    return total // 2


def _memory(text: str) -> int | None:
    """Parse the memory of evaluations: a number of bytes without its letter is a mistake."""
    value = size(text)
    if value is not None and value < MIN_EVAL_MEMORY:
        raise ValueError(text)
    return value


EVAL_MEMORY: Setting[int | None] = Setting(
    "eval.memory",
    "--eval-memory",
    "FPACK_EVAL_MEMORY",
    _memory,
    _half_of_memory,
    f"a size, as in 512M or 8G, or none; the least is {MIN_EVAL_MEMORY >> 20}M",
)
EVAL_TIME: Setting[float | None] = Setting(
    "eval.time", "--eval-time", "FPACK_EVAL_TIME", amount, lambda: EVAL_SECONDS, "a number of seconds, or none"
)


def words(text: str) -> tuple[str, ...]:
    """Split a text at white space."""
    return tuple(text.split())


def yes(text: str) -> bool:
    """Parse `1`, `true` or `yes` as true, and `0`, `false`, `no` as false."""
    if text.lower() not in ("1", "true", "yes", "0", "false", "no"):
        raise ValueError(text)
    return text.lower() in ("1", "true", "yes")


def count(text: str) -> int:
    """Parse a whole number that is not negative."""
    if not text.isdecimal() or not text.isascii() or len(text) > 6:
        raise ValueError(text)
    return int(text)


# Mirrors of the option or variable do not replace those of the file: they come first (builders/debian/mirrors.py).
MIRRORS: Setting[tuple[str, ...]] = Setting("debian.mirror", "--mirror", "FPACK_MIRROR", words, tuple, "a list of URLs")
SECURITY_MIRRORS: Setting[tuple[str, ...]] = Setting("debian.security-mirror", "", "", words, tuple, "a list of URLs")
KEYRING: Setting[str] = Setting("debian.keyring", "", "FPACK_KEYRING", str, str, "a file of keys")
UBUNTU_MIRRORS: Setting[tuple[str, ...]] = Setting("ubuntu.mirror", "", "", words, tuple, "a list of URLs")
UBUNTU_KEYRING: Setting[str] = Setting("ubuntu.keyring", "", "FPACK_UBUNTU_KEYRING", str, str, "a file of keys")
ACCEPT_EXPIRED: Setting[bool] = Setting(
    "debian.accept-expired", "--accept-expired", "FPACK_ACCEPT_EXPIRED", yes, bool, "1 or 0"
)
JOBS: Setting[int] = Setting("build.jobs", "--jobs", "FPACK_JOBS", count, int, "a whole number, 0 for each processor")

# The number of days for which gc keeps the last pack of each project and name.
KEEP_PACKS: Setting[float | None] = Setting(
    "gc.keep-packs", "", "FPACK_GC_KEEP_PACKS", amount, lambda: 30.0, "a number of days, or none"
)
# The default is a share of the disk (store/collection/limits.py).
MIN_FREE: Setting[int | None] = Setting(
    "gc.min-free", "", "FPACK_GC_MIN_FREE", size, lambda: None, "a size, as in 512M or 8G, or none"
)
AUTOMATIC: Setting[bool] = Setting("gc.automatic", "", "FPACK_GC_AUTOMATIC", yes, lambda: True, "1 or 0")
KEEP_RECENT: Setting[float | None] = Setting(
    "gc.keep-recent", "--keep-recent", "FPACK_GC_KEEP_RECENT", amount, lambda: 0.0, "a number of days, or none"
)

VULNERABILITIES: Setting[tuple[str, ...]] = Setting(
    "audit.vulnerabilities", "--data", "FPACK_VULNERABILITIES", words, tuple, "a list of files, directories and URLs"
)
MAX_DATA_DAYS = 7.0
MAX_DATA_AGE: Setting[float | None] = Setting(
    "audit.max-age", "--max-age", "FPACK_AUDIT_MAX_AGE", amount, lambda: MAX_DATA_DAYS, "a number of days, or none"
)
REBUILDERS: Setting[str] = Setting(
    "rebuilders.policy", "--policy", "FPACK_REBUILDERS", str,
    lambda: os.path.join(os.path.dirname(configuration_file()), "rebuilders.toml"), "a file of rebuilders",
)  # fmt: skip
# Public keys whose signatures make `fpack verify` a proof: files, or names in the user's directory of keys.
VERIFY_KEYS: Setting[tuple[str, ...]] = Setting("verify.keys", "--key", "FPACK_KEYS", words, tuple, "a list of keys")

# Whether downloads are refused: only files of this machine count then.
OFFLINE: Setting[bool] = Setting("net.offline", "--offline", "FPACK_OFFLINE", yes, bool, "1 or 0")
# Places that keep what locks pin. Those of --mirror and FPACK_MIRROR precede them (builders/debian/mirrors.py).
KEPT_MIRRORS: Setting[tuple[str, ...]] = Setting(
    "mirror.kept", "", "FPACK_KEPT", words, tuple, "a list of registries, directories and buckets"
)


def _signers(text: str) -> int:
    """Parse how many signers must agree."""
    value = count(text)
    if value < 1:
        raise ValueError(text)
    return value


# Caches of store paths (docs/caches.md). Only `cache.keys` decides whom to believe.
CACHES: Setting[tuple[str, ...]] = Setting("caches", "", "FPACK_CACHES", words, tuple, "a list of addresses")
CACHE_KEYS: Setting[tuple[str, ...]] = Setting("cache.keys", "", "FPACK_CACHE_KEYS", words, tuple, "a list of keys")
CACHE_THRESHOLD: Setting[int] = Setting(
    "cache.threshold", "", "FPACK_CACHE_THRESHOLD", _signers, lambda: 1, "a whole number, at least 1"
)
CACHE_MAX_AGE: Setting[float | None] = Setting(
    "cache.max-age", "", "FPACK_CACHE_MAX_AGE", amount, lambda: 365.0, "a number of days, or none"
)
CACHE_PUSH: Setting[str] = Setting("cache.push", "", "FPACK_CACHE_PUSH", str, str, "an address")
CACHE_SIGN_WITH: Setting[str] = Setting("cache.sign-with", "--key", "FPACK_CACHE_SIGN_WITH", str, str, "a private key")

NETWORK_STORE: Setting[bool] = Setting("store.network", "", "FPACK_NETWORK_STORE", yes, bool, "1 or 0")

SETTINGS: tuple[Setting[Any], ...] = (
    MIRRORS, SECURITY_MIRRORS, KEYRING, UBUNTU_MIRRORS, UBUNTU_KEYRING, ACCEPT_EXPIRED, MAX_INDEX_AGE, EVAL_MEMORY,
    EVAL_TIME, JOBS, AUTOMATIC, KEEP_PACKS, KEEP_RECENT, MIN_FREE, VULNERABILITIES, MAX_DATA_AGE, NETWORK_STORE,
    REBUILDERS, VERIFY_KEYS, OFFLINE, KEPT_MIRRORS, CACHES, CACHE_KEYS, CACHE_THRESHOLD, CACHE_MAX_AGE, CACHE_PUSH,
    CACHE_SIGN_WITH,
)  # fmt: skip
KEYS = frozenset(setting.key for setting in SETTINGS)
