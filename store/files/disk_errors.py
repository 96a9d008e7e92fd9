"""Translate system errors of disks and file systems into errors for the user, with a hint."""

from __future__ import annotations

import contextlib
import errno
import os

from fpack.store.errors import DiskError, StoreError, StoreFull, StoreReadOnly

# Failures of the device or the file system.
_DEVICE = {
    errno.EIO, errno.ENXIO, errno.ENODEV, errno.EREMOTEIO, errno.ESTALE, errno.EUCLEAN, errno.EBADMSG, errno.ESHUTDOWN,
}  # fmt: skip
FULL = {errno.ENOSPC, errno.EDQUOT}
_RESOURCES = {errno.EAGAIN, errno.ENOMEM, errno.ENOBUFS}
_NO_PERMISSION = {errno.EACCES, errno.EPERM}
# Errors that concern one path: the path or a parent exists, has the wrong type, is too long or is in use.
_PATH = {
    errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EISDIR, errno.EBUSY,
    errno.ETXTBSY,
}  # fmt: skip


def explain(error: OSError, where: str = "", *, disk: str = "") -> StoreError | None:
    """Return the error for the user, or None if the number of `error` has no explanation.

    where: the operation's subject, such as a derivation's name, if the error itself names no path. disk: a path on the
    file system that the operation writes to, because a write that finds no room names no path.
    """
    number, why, path = error.errno, error.strerror or "", path_of(error)
    location = path or where
    if number in FULL:
        hint = "free some space or run fpack gc, then run the same command again: what was built is kept"
        return StoreFull(used_up(error), where=_made(error) or disk or where, hint=hint)
    if number in _DEVICE:
        hint = "check the disk, for example with dmesg; then run the same command again: what was built is kept"
        return DiskError("The disk has an error", where=location, why=why, hint=hint)
    if number == errno.EROFS:
        hint = "mount it for writing, or set FPACK_ROOT to another directory"
        return StoreReadOnly("The file system is read-only", where=location, hint=hint)
    if number in (errno.EMFILE, errno.ENFILE):
        return DiskError("Too many files are open", where=location, why=why, hint="raise the limit with ulimit -n")
    if number == errno.EFBIG:
        hint = "raise the limit with ulimit -f, or use another file system"
        return DiskError("A file is larger than is allowed", where=_made(error) or disk or where, why=why, hint=hint)
    if number == errno.ENOLCK:
        hint = "set FPACK_ROOT to a directory on a local file system"
        return DiskError("The file system cannot lock a file", where=location, why=why, hint=hint)
    if number in _RESOURCES:
        return DiskError("The system lacks resources", where=location, why=why, hint="try -j 1")
    if number in _NO_PERMISSION:
        hint = "HOME, XDG_CACHE_HOME, XDG_STATE_HOME and FPACK_ROOT set the directories that fpack uses"
        return StoreError(f"{path or 'A file'} cannot be used", where=where, why=why, hint=hint)
    if number in _PATH and path:
        return StoreError(f"{path} cannot be used", where=where, why=why)
    if number == errno.ENOENT and path:
        hint = "something else deleted it meanwhile; run the same command again"
        return StoreError(f"{path} is gone", where=where, hint=hint)
    return None


def path_of(error: OSError) -> str:
    """Return the path that an error names, or an empty string."""
    return _text(error.filename)


def _made(error: OSError) -> str:
    """Return the path that could not be made, or an empty string: that of a link rather than what it leads to."""
    names = [_text(error.filename2), path_of(error)]
    return next((name for name in names if name.startswith("/")), names[0] or names[1])


def _text(name: object) -> str:
    found = os.fsdecode(name) if isinstance(name, bytes) else name
    return found if isinstance(found, str) else ""


def used_up(error: OSError, path: str = "") -> str:
    """Return what is used up: the quota, the inodes or the space. path: on the disk, if the error names none."""
    if error.errno == errno.EDQUOT:
        return "The disk quota is used up"
    free, directory = None, _made(error)
    if not directory.startswith("/"):
        directory = os.path.join(path, directory)
    # What failed has been deleted meanwhile: its directory may be gone, and some of what was used up is free again.
    while free is None and directory.startswith("/") and directory != (directory := os.path.dirname(directory)):
        with contextlib.suppress(OSError):
            free = os.statvfs(directory)
    if free is not None and free.f_favail * free.f_blocks < free.f_bavail * free.f_files:
        return "The disk has no room for another file: all its inodes are in use"
    return "The disk is full"
