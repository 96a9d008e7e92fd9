"""Guess how a Java project is built and run: by Maven or by Gradle."""

from .maven import java

__all__ = ["java"]
