"""The same shards built with Apache Beam, on many machines.

engine    the two pipelines
steps     what workers do
source    the input files
exchange  files between the driver and the workers
runner    runs a pipeline to its end
"""
