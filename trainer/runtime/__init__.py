"""What a run computes on, when it stops, and the state it is in.

devices    chooses the accelerator, the tf.distribute strategy, the precision
numerics   what the last bits of an answer depend on: versions, device
workers    the processes of TF_CONFIG
limits     signals and --max_minutes
run_state  everything that a backup holds; legs: a row for each start;
           run_document: its JSON part, in every format so far;
           named_variables: its arrays
profiler   --profile_steps
workdir_lock   one process at a time uses a workdir
"""
