"""The store's SQLite database and its journal: connections, tables, failures, and trust in the clock."""
