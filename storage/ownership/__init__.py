"""Only one process at a time owns a folder, on any machine.

lease      claims a folder, and shows that its owner is alive
heartbeat  renews a lease on a thread, and checks whether it was lost
watch      decides whether the owners of earlier claims are alive
claims     reads and writes the files of a lease
processes  ids of this machine and its processes
"""
