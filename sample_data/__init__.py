"""Draws a dataset in the competition's layout, from real Bengali fonts.

main            the command            layout   the files of the competition
graphemes       what is drawn, how often; combinations: other choices
fonts           the strokes of a grapheme
handwriting     one image; writers: who writes it; placement, paper, noise
workers         processes that draw
"""
