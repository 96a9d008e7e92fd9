"""Define the options of verbs as data. `options` makes click options of them; warm starts parse them without click."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence

from fpack.light_typing import Any

FORMATS = ("bash", "zsh", "fish", "json")
INTERPRETERS = ("bash", "zsh", "fish")
# The kinds of options: FLAG takes no value, the others a value of this kind.
FLAG, TEXT, CHOICE, NUMBER, SETTING, MIRROR = "flag", "text", "choice", "number", "setting", "mirror"
FILE, NEW, EXISTING = "file", "new", "existing"  # a path that is no directory, any path, a path that exists


# A warm start imports this, and a NamedTuple takes longer to define than a class with slots.
class Option:
    """An option. names: its spellings. field: its name among the values.

    choices: the values of a CHOICE. least, most: the range of a NUMBER. many: it can be repeated. bare: the value
    of an option that is given without one.
    """

    __slots__ = ("bare", "choices", "default", "field", "help", "kind", "least", "many", "metavar", "most", "names")

    def __init__(
        self,
        *names: str,
        help: str,
        kind: str = FLAG,
        field: str = "",
        metavar: str | None = None,
        default: Any = None,
        choices: tuple[str, ...] = (),
        least: int = 0,
        most: int = 0,
        many: bool = False,
        bare: str = "",
    ) -> None:
        self.names = names
        self.help = help
        self.kind = kind
        self.field = field or names[-1].lstrip("-").replace("-", "_")
        self.metavar = metavar
        self.default = default
        self.choices = choices
        self.least = least
        self.most = most
        self.many = many
        self.bare = bare

    def accepts(self, value: str) -> bool:
        """Return whether a text is a valid value."""
        if self.kind == CHOICE:
            return value in self.choices
        if self.kind == NUMBER:
            return value.isascii() and value.isdigit() and self.least <= int(value) <= self.most
        if self.kind == MIRROR:
            return False  # the check imports the code for mirrors, so click's callback does it
        return os.path.exists(value) if self.kind == EXISTING else bool(value)


EVALUATING = (
    Option("--eval-memory", kind=SETTING, metavar="SIZE",
           help="Limit the memory of evaluation, as in 8G. Default: half of the machine's memory."),
    Option("--eval-time", kind=SETTING, metavar="SECONDS",
           help="Limit the processor time of evaluation. Default: 300."),
)  # fmt: skip
LOCKING = (
    Option("--lock", kind=FILE, help="Use this lock file."),
    Option("--frozen", help="Fail if the lock would change."),
    Option("--mirror", kind=MIRROR, metavar="URL", help="Try this mirror first."),
    Option("--accept-expired", help="Accept an expired package index."),
    Option("--max-index-age", kind=SETTING, metavar="DAYS",
           help="Maximum age of a package index without an expiry date."),
    Option("--arch", kind=TEXT, metavar="ARCH", help="Debian architecture to build for, such as amd64 or arm64."),
    *EVALUATING,
)  # fmt: skip
BUILDING = (
    Option("-j", "--jobs", kind=NUMBER, default=0, most=512, help="Parallel builds; 0: one per core."),
    Option("-k", "--keep-going", help="Continue with other builds after a failure."),
    Option("-v", "--verbose", help="Show every step."),
    Option("--no-caches", help="Use no cache: build what the store lacks."),
    *LOCKING,
)
# Verbs that have a table of their own have the same option in it; `with_expression` reads it.
EXPRESSION = Option("-e", "--expression", kind=TEXT, metavar="EXPR", help="Evaluate this text in place of a name.")
TOGETHER = Option("--together", help="Make one image of the members of a list or a record.")
OF_FILE = (
    Option("--platform", kind=TEXT, metavar="PLATFORM",
           help="Take the image of this platform, as in linux/arm64, from a file or reference that has several."),
)  # fmt: skip
BUILD = (
    EXPRESSION,
    TOGETHER,
    Option("-o", "--link", kind=NEW, default="result", help="The link to create."),
    Option("--no-link", help="Create no link. The next gc may delete the result."),
    Option("--json", field="as_json", help="Print one JSON object."),
    Option("-L", "--print-build-logs", field="build_logs", help="Show the output of builds."),
    Option("--keep-failed", help="Keep the directory of a failed build."),
    Option("--shell-on-failure", help="Open a shell in the sandbox of a failed build."),
    Option("--explain", help="Build nothing; show why it must be built."),
    Option("--check", help="Build it once more and compare."),
    Option("--rounds", kind=NUMBER, metavar="N", least=1, most=100,
           help="Build it N more times under varied conditions and compare."),
    *BUILDING,
)  # fmt: skip
EVAL = (
    Option("-e", "--expression", kind=TEXT, help="Evaluate this text."),
    Option("--json", field="as_json", help="Print JSON. Derivations are marked as not built."),
    *LOCKING,
)
PLAIN_HTTP = Option("--plain-http", help="Use HTTP without TLS for registries on this machine.")
PUSH = (
    PLAIN_HTTP,
    Option("--json", field="as_json", help="Print one JSON object."),
    *BUILDING,
)
CACHE_PULL = (
    Option("--from", kind=TEXT, field="addresses", metavar="URL", many=True,
           help="The cache. Default: the setting caches."),
    Option("-o", "--link", kind=NEW, help="Create a link to the first path."),
    Option("--json", field="as_json", help="Print one JSON object."),
    *BUILDING,
)  # fmt: skip
_PURE = Option("--pure", help="Start with a clean environment.")
_NETWORK = Option("--network", kind=CHOICE, choices=("on", "off"), default="on",
                  help="Allow network access. Default: on.")  # fmt: skip
RUN = (
    EXPRESSION,
    _PURE,
    Option("--container", help="Hide this machine's files, except the working directory."),
    _NETWORK,
    PLAIN_HTTP,
    *BUILDING,
)
SHELL = (
    EXPRESSION,
    _PURE,
    Option("--container", help="Hide this machine's files, except the project."),
    _NETWORK,
    Option("--expose", kind=EXISTING, metavar="PATH", many=True, help="Make PATH readable."),
    Option("--share", kind=EXISTING, metavar="PATH", many=True, help="Make PATH writable."),
    Option("--keep", kind=TEXT, metavar="NAME", many=True, help="Keep a variable with --pure or --container."),
    Option("--user", kind=TEXT, metavar="NAME[:UID]", help="Run as another user inside."),
    Option("--interpreter", kind=CHOICE, choices=INTERPRETERS, help="The interactive shell to run."),
    Option("--no-services", help="Start no services."),
    Option("--for", kind=TEXT, field="building", metavar="PACKAGE",
           help="Enter a package's build, to run its phases one by one."),
    Option("--print-env", kind=CHOICE, choices=FORMATS, bare="bash",
           help="Print commands that set the programs and variables in the current shell."),
    Option("--devcontainer", help="Write a devcontainer.json that uses an image of the shell."),
    PLAIN_HTTP,
    *BUILDING,
)  # fmt: skip


def parse(
    words: Sequence[str], options: Collection[Option], interspersed: bool = True
) -> tuple[dict[str, Any], list[str]] | None:
    """Parse a verb's words as click does. Return (the given values by field, the arguments).

    Return None if click must parse them: for an unknown option, a wrong or missing value, or joined short options.
    interspersed: options may follow arguments.
    """
    known = {name: option for option in options for name in option.names}
    values: dict[str, Any] = {}
    arguments: list[str] = []
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        option = known.get(name)
        if not word.startswith("-"):
            arguments.append(word)
            if not interspersed:
                return values, [*arguments, *rest]
        elif option is None or (equals and (option.kind == FLAG or not name.startswith("--"))):
            return None
        elif option.kind == FLAG:
            values[option.field] = True
        else:
            value = value if equals else option.bare or next(rest, "")
            if not option.accepts(value):
                return None
            if option.many:
                values.setdefault(option.field, []).append(value)
            else:
                values[option.field] = value
    return values, arguments


def split(args: Sequence[str]) -> tuple[list[str], tuple[str, ...] | None]:
    """Split a verb's words at the first `--`: the words before it, and the command after it, or None without `--`."""
    if "--" not in args:
        return list(args), None
    at = list(args).index("--")
    return list(args[:at]), tuple(args[at + 1 :])
