"""Explain the errors of disks and file systems: what happened, and what to do about it."""

from __future__ import annotations

import errno
import os

from fpack.store.errors import StoreError

# The device or the file system fails; so will the next operation.
_DEVICE = {
    errno.EIO, errno.ENXIO, errno.ENODEV, errno.EREMOTEIO, errno.ESTALE, errno.EUCLEAN, errno.EBADMSG, errno.ESHUTDOWN,
}  # fmt: skip
_FULL = {errno.ENOSPC, errno.EDQUOT}
_NO_PERMISSION = {errno.EACCES, errno.EPERM}
# Errors about one path: something else stands at it or above it.
_PATH = {errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EISDIR, errno.EBUSY, errno.ETXTBSY, errno.EXDEV}


class DiskError(StoreError):
    """An operation that the disk or the system refused. fatal: it would refuse the next ones as well."""

    fatal = False


def explain(error: OSError, where: str = "") -> DiskError | None:
    """Return the error for the user, or None if the number of `error` has no explanation.

    where: what fpack was doing it for, if the error itself names no path.
    """
    number = error.errno
    path = _path(error)
    if number in _FULL:
        return _error(_full(error), path or where, "", "fpack gc deletes unused store paths; what was built is kept")
    if number in _DEVICE:
        hint = "check the disk, for example with dmesg; then run the same command again: what was built is kept"
        return _error("The disk has an error", path or where, error.strerror or "", hint)
    if number == errno.EROFS:
        return _error("The file system is read-only", path or where, "", "mount it for writing, or set FPACK_ROOT")
    if number in (errno.EMFILE, errno.ENFILE):
        return _error("Too many files are open", path or where, error.strerror or "", "raise the limit with ulimit -n")
    if number == errno.ENOLCK:
        hint = "put the store on a local file system with FPACK_ROOT"
        return _error("The file system cannot lock a file", path or where, error.strerror or "", hint)
    if number in (errno.EAGAIN, errno.ENOMEM):
        return _error("There are not enough resources", where or path, error.strerror or "", "try -j 1")
    if number in _NO_PERMISSION:
        hint = "HOME, XDG_CACHE_HOME, XDG_STATE_HOME and FPACK_ROOT set the directories that fpack uses"
        return _error(f"{path or 'A file'} cannot be used", where, error.strerror or "", hint, fatal=False)
    if number in _PATH and path:
        return _error(f"{path} cannot be used", where, error.strerror or "", "", fatal=False)
    if number == errno.ENOENT and path:
        hint = "something else deleted it meanwhile; run the same command again"
        return _error(f"{path} is gone", where, "", hint, fatal=False)
    return None


def _error(what: str, where: str, why: str, hint: str, fatal: bool = True) -> DiskError:
    error = DiskError(what, where=where, why=why, hint=hint)
    error.fatal = fatal
    return error


def _full(error: OSError) -> str:
    if error.errno == errno.EDQUOT:
        return "The disk quota is used up"
    path = _path(error)
    try:
        free = os.statvfs(os.path.dirname(path) or ".") if path.startswith("/") else None
    except OSError:
        free = None
    if free is not None and free.f_files and not free.f_favail and free.f_bavail:
        return "The disk has no room for another file: all its inodes are in use"
    return "The disk is full"


def _path(error: OSError) -> str:
    name = error.filename
    if isinstance(name, bytes):
        name = os.fsdecode(name)
    return name if isinstance(name, str) else ""
