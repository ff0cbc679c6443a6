"""One process at a time owns a folder, on whatever machine it runs.

lease      claims a folder, and shows that its owner lives
heartbeat  renews a lease on a thread, and looks whether it was lost
watch      decides whether the owners of earlier claims are alive
claims     what the files of a lease show
processes  names of this machine and its processes
"""
