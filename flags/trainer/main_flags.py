"""Flags of trainer/main.py; each group of flags is in a separate module.

FREE names the flags that may change between the legs of one run (a leg is one
run of the process between two resets). They do not change the result, except
for those that NOTED names. With a new value of any other flag, a run cannot
continue. A run that was started before a flag existed has the flag's default,
or its value in BEFORE.
"""

from absl import flags

from flags.trainer import (
    accelerator_flags,
    augmentation_flags,
    data_flags,
    machine_flags,
    model_flags,
    optimization_flags,
    removed_flags,
)

FREE = frozenset(
    {
        "workdir",
        "backup_dir",
        "data_dir",
        "cache_dir",
        "accelerator",
        "virtual_devices",
        "precision",
        "xla",
        "exact",
        "max_per_replica_batch",
        "steps_per_loop",
        "num_parallel_calls",
        "profile_steps",
        "backup_every_seconds",
        "backup_every_steps",
        "backup_settle_minutes",
        "max_minutes",
        # These decide about steps that change nothing.
        "on_nan",
        "max_loss",
        "restart",
        "dry_run",
        "verbosity",
    }
)

# Free flags that can change the result all the same: each leg notes them.
NOTED = ("exact", "max_loss", "max_per_replica_batch", "xla")

# What a run did before there was the flag, where that is not its default.
BEFORE = {"logit_adjustment": 0.0}

REMOVED = removed_flags.VALUES

# For --helpshort: the first flag of each group, in the order of the help.
GROUPS = {
    "data_dir": "Where things are",
    "validation_fold": "What is trained",
    "epochs": "How it is trained",
    "rotation": "Augmentation",
    "accelerator": "What it runs on",
    "backup_every_seconds": "Backups and stopping",
}

for module in (
    data_flags,
    model_flags,
    optimization_flags,
    augmentation_flags,
    accelerator_flags,
    machine_flags,
):
    flags.adopt_module_key_flags(module)
