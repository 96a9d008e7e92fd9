"""`fpack mirror`: fill, list, check and clean mirrors, which keep what locks pin."""

from __future__ import annotations

from fpack.cli.groups import group


@group(
    "mirror",
    "mirrors",
    (
        ("fill", "fill", "Keep locks in a mirror, copy another mirror, or complete it."),
        ("list", "listing", "List the locks that a mirror keeps."),
        ("show", "show", "Print a kept lock."),
        ("check", "check", "Check every file of a mirror, and its signatures."),
        ("trust", "trust", "Confirm the mirrors that a project names."),
        ("gc", "collect", "Delete locks that are no longer used, and their files."),
    ),
    epilog="""\b
Examples:
  fpack lock --keep registry.example.org/team/kept      keep a project's lock, with all that it fetches
  fpack mirror list registry.example.org/team/kept
  fpack mirror check ./mirror                           read every file, and verify the signatures
  fpack mirror fill ./mirror --from registry.example.org/team/kept
  fpack mirror gc ./mirror --unused 90 --dry-run
  fpack pack --mirror kept=./mirror                     use it; or name it in the settings: mirror.kept""",
)
def command() -> None:
    """Fill, list, check and clean mirrors. A mirror keeps the packages, signed indexes and other files that locks pin,
    so that they can be packed when the archive has dropped them. MIRROR is a registry such as HOST/NAME, a directory
    such as ./mirror, or the file of a bundle.
    """
