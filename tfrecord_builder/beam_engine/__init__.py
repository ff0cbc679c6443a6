"""Builds the same shards with Apache Beam, on many machines.

engine    the two pipelines
steps     the steps that workers run
source    the input files
exchange  files between the driver and the workers
runner    runs a pipeline to its end
"""
