"""The format of the records: all that the trainer needs of the builder."""
