"""Define the tables of the store's database, and upgrade a database of an older format in one transaction.

The format is SQLite's `user_version`. docs/formats.md describes the tables.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from urllib.parse import quote

FORMAT = 4

_FIRST = """
CREATE TABLE paths (id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, name TEXT NOT NULL, tree BLOB NOT NULL,
                    size INTEGER NOT NULL, registered INTEGER NOT NULL, refs BLOB NOT NULL);
CREATE TABLE derivations (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, body BLOB NOT NULL);
CREATE TABLE realisations (id INTEGER PRIMARY KEY, key BLOB NOT NULL, output TEXT NOT NULL, path BLOB NOT NULL,
                           UNIQUE (key, output));
CREATE TABLE outputs (id INTEGER PRIMARY KEY, derivation BLOB NOT NULL, output TEXT NOT NULL, path BLOB NOT NULL,
                      UNIQUE (derivation, output));
CREATE TABLE temporary_roots (session TEXT NOT NULL, path BLOB NOT NULL, UNIQUE (session, path));
CREATE INDEX realisations_path ON realisations (path);
CREATE INDEX outputs_path ON outputs (path)
"""
_SECOND = """
CREATE TABLE uses (path BLOB NOT NULL, project TEXT NOT NULL, name TEXT NOT NULL, day INTEGER NOT NULL,
                   UNIQUE (path, project, name));
CREATE TABLE pins (path BLOB NOT NULL, project TEXT NOT NULL, name TEXT NOT NULL, expires INTEGER NOT NULL,
                   UNIQUE (project, name));
CREATE TABLE history (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, derivation BLOB NOT NULL, name TEXT NOT NULL,
                      kind TEXT NOT NULL, outcome TEXT NOT NULL, seconds REAL NOT NULL, path BLOB)
"""
_THIRD = "CREATE TABLE named_roots (name TEXT NOT NULL UNIQUE, path BLOB NOT NULL)"
_FOURTH = """
CREATE TABLE unsynced (id INTEGER PRIMARY KEY AUTOINCREMENT, path BLOB NOT NULL UNIQUE, session TEXT NOT NULL)
"""
# For each format, the statements that upgrade it to the next format.
STEPS = {0: _FIRST, 1: _SECOND, 2: _THIRD, 3: _FOURTH}


def upgrade(db: sqlite3.Connection) -> int:
    """Upgrade a database to FORMAT, within a transaction. Return the former format, or 0 if the database was empty."""
    (before,) = db.execute("PRAGMA user_version").fetchone()
    for step in range(before, FORMAT):
        for statement in STEPS[step].split(";"):
            db.execute(statement)
    if before < FORMAT:
        db.execute(f"PRAGMA user_version = {FORMAT}")
    return int(before)


def format_of(path: Path) -> int:
    """Return the format of the database at `path`, or 0 if it is missing or unreadable. Do not change the database."""
    try:
        db = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
        try:
            (found,) = db.execute("PRAGMA user_version").fetchone()
        finally:
            db.close()
    except sqlite3.Error:
        return 0
    return int(found)
