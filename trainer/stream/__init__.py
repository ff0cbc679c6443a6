"""Reads records into batches: a pure function of (seed, step).

training_data   which datasets and splits a run reads, and for what
order           the order of the examples
window_reader   reads windows of shards in that order
input_pipeline  batches for training
eval_dataset    batches for evaluation
extra_data      mixes a second dataset into the batches
shard_cache     copies of slow folders on this machine's disk
shard_copy      one copy of a shard
"""
