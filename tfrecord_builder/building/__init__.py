"""Ranges of rows to finished shards, on this machine."""
