"""Read databases of vulnerabilities: Debian's security tracker and OSV, compiled into an index by package."""
