"""Writes ranges of rows to finished shards, on this machine.

local_engine  opens the source and runs the builder
builder       reads ranges, writes records, checks and finishes shards
png_spool     stores PNG images until the shards are written
staging       the folder of an unfinished build: its lock and its journal
destination   the output folder: publishes finished shards
output_lease  prevents two machines from building into one folder
"""
