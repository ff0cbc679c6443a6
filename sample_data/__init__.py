"""Draws a dataset in the competition's layout, from real Bengali fonts.

main            the command            layout   the files of the competition
graphemes       which graphemes, how often; combinations: other choices
fonts           the strokes of a grapheme
handwriting     draws an image; writers: habits; placement, paper, noise
workers         processes that draw
"""
