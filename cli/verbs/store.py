"""`fpack store`: list, check, repair and copy store paths."""

from __future__ import annotations

from fpack.cli.groups import group


@group(
    "store",
    "store",
    (
        ("verify", "verify", "Hash every path again and find damage."),
        ("repair", "repair", "Replace damaged paths, or make them invalid."),
        ("add", "add", "Add a file or a directory to the store."),
        ("list", "listing", "List paths with their sizes."),
        ("path-info", "path_info", "Describe paths."),
        ("referrers", "referrers", "List the paths that reference a path."),
        ("closure", "closure", "List the closures of paths."),
        ("export", "export", "Write the closure of paths to one file."),
        ("import", "importing", "Add the paths of a closure file."),
        ("stats", "stats", "Show how the store uses the disk."),
        ("rebuild-database", "rebuild_database", "Rebuild a lost or damaged database."),
        ("migrate", "migrate", "Upgrade the database to the format of this fpack."),
    ),
    epilog="""\b
Examples:
  fpack store verify                         find damage
  fpack store path-info ./result             size, references, origin and roots
  fpack store export ./result -o app.closure
  fpack store import app.closure""",
)
def command() -> None:
    """List, check, repair and copy store paths. PATH is a store path, a link to one such as ./result, the
    beginning of a hash, a name, or a pattern with * and ?.
    """
