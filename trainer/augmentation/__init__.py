"""Augments images and labels, using random numbers that are inputs.

augment  all steps together         warp     moves the ink
mixing   mixes pairs of examples    strokes  changes and erases strokes
masks    boxes, grids and blobs     sampling reads images between pixels
"""
