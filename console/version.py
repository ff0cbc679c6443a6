"""The project's version; pyproject.toml and every `--version` read it here.

A run from a clone has no installed metadata with the version.
"""

NAME = "bengali-trainer"
VERSION = "1.0.0"
