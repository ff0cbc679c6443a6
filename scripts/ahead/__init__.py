"""Compiles a training step for hardware that is not at hand: scripts/aot.py.

targets         what is compiled for: memory, speed, precision
environments    the virtual environments in .data/ that compilers need
export          a process: the step that the trainer runs, as HLO
compiling       a process: HLO to a program of a target; memory, program text
hlo             program text: bytes, products and cycles of its kernels
hlo_text        the computations, instructions and shapes in it
products        the operations of a convolution or matrix product
estimate        whether a step fits, how long it takes, what limits it
table           docs/accelerators.md
"""
