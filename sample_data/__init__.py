"""Draws a dataset in the competition's layout, from real Bengali fonts.

main          the command
layout        the files of the competition
graphemes     the graphemes and their frequencies
combinations  other choices of graphemes
fonts         the strokes of a grapheme
handwriting   draws an image
writers       the habits of a writer
placement     the position of a grapheme on the paper
paper, noise  the paper and the scan
workers       the processes that draw
"""
