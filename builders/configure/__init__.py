"""Run Debian's maintainer scripts in a sandbox, and find what they change in the same way each time."""
