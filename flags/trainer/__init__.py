"""Flags of the commands in trainer/, a module for each group or command."""
