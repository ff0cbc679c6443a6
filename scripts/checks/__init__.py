"""The checks of accelerator_check.py.

machine    what is here, and the data that all checks train on
processes  the project's commands, each in a process of its own
agreement  the same numbers after a kill, on the CPU, on several GPUs
memory     out of memory is survived
speed      images/s, memory, input and transfers of the presets
"""
