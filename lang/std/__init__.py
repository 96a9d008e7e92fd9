"""The standard library, written in the language itself."""

import os

DIRECTORY = os.path.dirname(__file__)
