"""Flags of the commands in trainer/.

main_flags          all of main.py; which of them may change within a run
data, model, optimization, augmentation, machine   its groups
accelerator         every command that computes
settle              commands that know whether a backup has settled
evaluate, predict, ensemble, report, export, backups   the other commands
"""
