"""Backups of a run, and the resume from them.

backup_and_restore  the callback: when a save is made
save_thread         saves on a thread, whatever hangs
backup_folder       who owns the folder; saves and restores a run
choice              which generation a start resumes from, or why from none
generation          one backup: its names and its manifest
generations         all backups in a folder: written, listed, verified, pruned
archive             one file of arrays and a document
identity            which flags and data make a run the same run
finished_run        is a run finished, and what it leaves; final_folder:
                    the files in BACKUP/final
"""
