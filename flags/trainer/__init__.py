"""Flags of the commands in trainer/.

main_flags          all flags of main.py; which of them may change within a run
data, model, optimization, augmentation, machine   the groups of main.py's flags
accelerator         every command that computes
settle              commands that report whether a backup has settled
evaluate, predict, ensemble, report, export, backups   the other commands
"""
