"""Compiles a step for hardware that this machine lacks: scripts/aot.py.

targets         the devices: memory, speed, precision
environments    the virtual environments in .data/ that compilers need
export          a process: writes the trainer's step as HLO
compiling       a process: compiles HLO for a target; memory, program text
hlo             reads program text: bytes, products and cycles of its kernels
hlo_text        the computations, instructions and shapes in it
products        the operations of a convolution or matrix product
estimate        whether a step fits, how long it takes, what limits it
table           docs/accelerators.md
"""
