"""Failures of system calls, disks and power."""
