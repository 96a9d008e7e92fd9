"""Run maintainer scripts in namespaces of their own, and report what they changed.

This package runs in processes of its own, which `starter.main` begins, and uses only the standard library. Standard
input is a stream socket to fpack. Three processes share the work:

- The parent creates a user namespace, in which fpack maps the ids, and kills everything when fpack closes the socket.
- The keeper is process 1 of the run. It has no access to the host's files once it has mounted the tree: a read-only
  lower tree, which the store has, and an upper directory in memory, in an overlay. It runs no code of a package.
- Each command gets a process 1 of its own. Its end kills whatever the command started, so the keeper reads the upper
  directory when nobody writes to it.

Messages are JSON with a length of four bytes before it. fpack sends a request, the keeper answers. Paths are text with
surrogate escapes. fpack treats all answers as hostile, because scripts choose the names and contents of files.
"""
