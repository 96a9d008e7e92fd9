"""Guess how a Ruby project is built and run: Rails, Rack, and gems with programs."""

from .gems import ruby

__all__ = ["ruby"]
