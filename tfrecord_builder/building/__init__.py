"""Ranges of rows to finished shards, on this machine.

local_engine  opens the source and runs the builder
builder       reads ranges, writes records, checks and finishes shards
png_spool     PNG images, until shards are gathered from them
staging       the folder of an unfinished build: its lock and its journal
destination   the output folder: publishes finished shards
output_lease  keeps two machines from building into one folder
"""
