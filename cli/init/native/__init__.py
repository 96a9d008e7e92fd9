"""Guess how a project with CMake, Meson, configure or a Makefile is built, what it needs, and what it installs."""

from .detectors import autotools, cmake, make, meson

__all__ = ["autotools", "cmake", "make", "meson"]
