"""The devices of a run, when it stops, and its state.

devices       chooses the accelerator and the tf.distribute strategy
precisions    chooses the backbone's dtype policy
numerics      versions and device, which the last bits of a prediction depend on
workers       the processes of TF_CONFIG
limits        signals and --max_minutes
run_state     everything that a backup holds; legs: a row for each start;
              run_document: its JSON part, in every format so far;
              named_variables: its arrays; loss_trace: the curve of its losses
profiler      --profile_steps
workdir_lock  only one process at a time uses a workdir
"""
