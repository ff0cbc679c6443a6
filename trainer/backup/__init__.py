"""Backups of a run, and the resume from them.

backup_and_restore  the callback: when a backup is saved
save_thread         saves on a thread, even if the folder hangs
backup_folder       the backup folder of a run, and its owner
backup_reader       restores a run from it
backup_writer       stores a run in it
choice              which generation a start resumes from, or why from none
generation          one backup: its names and its manifest
generations         all backups in a folder: written, listed, verified, pruned
retention           which generations are kept
archive             one file of arrays and a document
identity            which flags and data define a run
finished_run        whether a run is finished, and its results
final_folder        the files in BACKUP/final
"""
