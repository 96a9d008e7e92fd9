"""Define the options of verbs as data. `options` makes click options of them; warm starts parse them without click."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence

from fpack.light_typing import Any

FORMATS = ("bash", "zsh", "fish", "json")
INTERPRETERS = ("bash", "zsh", "fish")
ENGINES = ("podman", "docker")
# The formats of images, and what each is; cli/images/formats.py has their writers.
IMAGE_FORMATS = {
    "tar": "an image for podman, docker and skopeo",
    "oci-dir": "the image as an OCI layout",
    "rootfs-tar": "the file system as a tar",
    "squashfs": "a squashfs",
    "deb": "a Debian package",
    "rpm": "an RPM package",
}
# The kinds of options: FLAG takes no value, the others a value of this kind. The second name of a SWITCH turns it off.
FLAG, SWITCH, TEXT, CHOICE, NUMBER, SETTING, MIRROR = "flag", "switch", "text", "choice", "number", "setting", "mirror"
# A path that is no directory, any path, a path that exists, and one that the command writes.
FILE, NEW, EXISTING, OUTPUT = "file", "new", "existing", "output"


# A warm start imports this, and a NamedTuple takes longer to define than a class with slots.
class Option:
    """An option. names: its spellings. field: its name among the values.

    choices: the values of a CHOICE. least, most: the range of a NUMBER. many: it can be repeated. bare: the value
    of an option that is given without one; None if it cannot be. The next word is the value of a TEXT, as in click, but
    not that of a CHOICE.
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
        bare: str | None = None,
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
FETCH_FIXED = Option(
    "--fetch-fixed",
    help="Fetch the packages of the versions that fix vulnerabilities, and compare the image with them.",
)
_CONTAINER = (
    Option("--no-configure", help="Run no maintainer scripts of Debian's packages."),
    Option(
        "--entrypoint", kind=TEXT, metavar="WORDS", help="The program and its first arguments, as a shell reads them."
    ),
    Option(
        "--command",
        kind=TEXT,
        field="arguments",
        metavar="WORDS",
        help="Arguments of the entrypoint; without an entrypoint, the program and its arguments.",
    ),
    Option("--user", kind=TEXT, help="The user that the image runs as: a name of the image, or numbers as 1000:1000."),
    Option(
        "--port", kind=TEXT, field="ports", metavar="PORT", many=True, help="Expose another port, as in 8080 or 53/udp."
    ),
)
_VOLUMES = Option(
    "--volume", kind=TEXT, field="volumes", metavar="PATH", many=True, help="Declare another volume of the image."
)
# The fields of a container.
CONTAINER = (
    *_CONTAINER,
    Option("-e", "--env", kind=TEXT, metavar="NAME=VALUE", many=True, help="Set a variable of the image."),
    _VOLUMES,
)
PACK = (
    TOGETHER,
    Option("-o", "--output", kind=OUTPUT, help="File or directory to write."),
    Option("-t", "--tag", kind=TEXT, metavar="NAME[:TAG]",
           help="Name and tag of the image, in place of its own; :TAG changes only the tag."),
    Option("--format", kind=CHOICE, field="format_", choices=tuple(IMAGE_FORMATS),
           help=f"{'; '.join(f'{name}: {what}' for name, what in IMAGE_FORMATS.items())}. The default is tar."),
    Option("--platform", kind=TEXT, field="platforms", metavar="OS/ARCH", many=True,
           help="Platforms of the image, as in linux/amd64,linux/arm64. Default: this machine's."),
    Option("--load", kind=CHOICE, choices=ENGINES, help="Load the image into a container engine on this machine."),
    Option("--push", kind=TEXT, metavar="REF",
           help="Push the image to a registry, as HOST/NAME:TAG; several images to HOST/TEAM/, by their own names."),
    PLAIN_HTTP,
    Option("--compress", kind=TEXT, metavar="CODEC", help="zstd[:LEVEL], gzip[:LEVEL] or none."),
    *_CONTAINER,
    Option("--env", kind=TEXT, metavar="NAME=VALUE", many=True, help="Set a variable of the image."),
    _VOLUMES,
    Option("--expression", kind=TEXT, field="expressions", metavar="EXPR", many=True,
           help="Evaluate this text in place of a name. With -e, NAME=VALUE sets a variable, as --env does."),
    Option("-e", kind=TEXT, field="short", metavar="EXPR", many=True, help="Short for --expression or --env."),
    Option("--no-manifest", help="Write no manifest, neither beside the image nor in it."),
    Option("--sbom", kind=TEXT, field="sboms", metavar="[FORMAT,...]", many=True, bare="",
           help="Write bills of materials beside the image and attach them to it, as in --sbom=cyclonedx-1.6; "
           "see fpack sbom."),
    Option("--provenance", help="Write an SLSA provenance beside the image and attach it; see fpack provenance."),
    Option("--vex",
           help="Write an OpenVEX document beside the image and attach it as an in-toto statement; see fpack vex."),
    Option("--data", kind=TEXT, metavar="PATH|URL", many=True,
           help="With --vex: vulnerability data, in place of that of the settings; can be repeated."),
    FETCH_FIXED,
    Option("--sources", "--no-sources", kind=SWITCH, field="sources",
           help="Put the project's sources into the archive of the image, for fpack verify --rebuild: up to 1 GB. "
           "Default: up to 64 MB."),
    Option("--try", kind=TEXT, field="tries", metavar="WORDS", many=True,
           help="Write the image only if this command passes in it, in fpack's sandbox; can be repeated."),
    Option("--git", field="from_git", help="Annotate the image with the commit and the origin of the git checkout."),
    Option("--source-date", help="Write the time of SOURCE_DATE_EPOCH into the image, in place of 1980-01-02."),
    Option("--json", field="as_json", help="Print one JSON object."),
    *BUILDING,
)  # fmt: skip
PULL = (
    Option("-o", "--output", kind=TEXT, metavar="FILE|DIR", help="Only copy the image to it; / at the end: a layout."),
    Option("--json", field="as_json", help="Print one JSON object."),
    *OF_FILE,
    PLAIN_HTTP,
    *BUILDING,
)
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
    PLAIN_HTTP,
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
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        option = known.get(name)
        if not word.startswith("-"):
            arguments.append(word)
            if not interspersed:
                return values, [*arguments, *rest]
        elif option is None or (equals and (option.kind in (FLAG, SWITCH) or not name.startswith("--"))):
            return None
        elif option.kind in (FLAG, SWITCH):
            values[option.field] = option.kind == FLAG or name == option.names[0]
        else:
            if not equals:
                value = rest[0] if rest else ""
                if option.bare is None or (option.kind == TEXT and value and not value.startswith("-")):
                    del rest[:1]
                else:
                    value = option.bare
            if value != option.bare and not option.accepts(value):
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
