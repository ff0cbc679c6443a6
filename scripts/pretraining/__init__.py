"""Graphemes drawn in many designs, for scripts/pretrain.py.

downloads  the fonts: from npm into .data, checked, with their licences
designs    which graphemes a font joins as writers do
strokes    a grapheme's path, its headline apart
hands      one writer for every image
drawing    one image
dataset    how many of each grapheme; the files
"""
