"""The format of the records: all that the trainer needs of the builder.

example       one tf.train.Example: written and parsed
dataset_info  dataset_info.json: outputs, classes, shards and their digests
background    which side of an image is its background
framing       a record's length and checksums in a TFRecord file
resize        what is done to an image before it is stored
png_encoder   gray images as PNG
"""
