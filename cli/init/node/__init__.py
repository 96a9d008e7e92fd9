"""Guess how a Node project is installed, built and run: by its package.json, its framework, its workspace."""

from .package import node

__all__ = ["node"]
