"""The flags of every command: the only place of a default and a help text.

trainer/  the commands in trainer/      presets/  recipes as flagfiles
"""
