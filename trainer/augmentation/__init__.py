"""Images and labels to augmented ones, by drawn numbers.

augment  the whole of it            warp     moves the ink
mixing   mixes pairs of examples    strokes  changes and erases strokes
masks    boxes, grids and blobs
"""
