"""The flags of every command, with their default values and help texts.

trainer/  the commands in trainer/      presets/  recipes as flagfiles
"""
