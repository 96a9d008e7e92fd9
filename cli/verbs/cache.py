"""`fpack cache`: fill, read, check and collect caches of store paths."""

from __future__ import annotations

from fpack.cli.groups import group


@group(
    "cache",
    "caches",
    (
        ("push", "push", "Write store paths and signed realisations to a cache."),
        ("pull", "pull", "Fetch targets or store paths from the caches; build nothing."),
        ("check", "check", "Check that a cache has every path that it lists."),
        ("gc", "gc", "Delete from a cache what was not used for some time."),
        ("trust", "trust", "Confirm the caches that a project names."),
        ("forget", "forget", "Forget what this machine remembers of a cache."),
    ),
    epilog="""\b
Examples:
  fpack cache push app --to oci://registry.example/team/cache --key ci
  fpack cache pull app
  fpack cache check file:///srv/cache --content
  fpack cache gc file:///srv/cache --older 30

A cache is any repository: oci://HOST/NAME, https://HOST/PATH, s3://BUCKET/PREFIX or file:///DIRECTORY.
Builds use those of the setting `caches`, and trust the keys of the setting `cache.keys`.""",
)
def command() -> None:
    """Share store paths through caches: what one machine built, others fetch."""
