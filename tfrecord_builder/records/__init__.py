"""The format of the records; the trainer needs only this of the builder.

example       writes and parses one tf.train.Example
dataset_info  dataset_info.json: outputs, classes, shards and their digests
background    light or dark background of an image
framing       a record's length and checksums in a TFRecord file
resize        how an image is resized before it is stored
png_encoder   encodes gray images as PNG
"""
