"""The checks of accelerator_check.py.

machine    the hardware, and the data that all checks train on
processes  runs the project's commands, each in a separate process
agreement  the same numbers after a kill, on the CPU, on several GPUs
memory     a run survives that it is out of memory
speed      images/s, memory, input and transfers of the presets
"""
