"""Backups of a run, and the resume from them."""
