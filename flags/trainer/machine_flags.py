"""Flags of trainer/main.py: the machine, backups and stopping."""

from absl import flags

from flags.trainer import settle_flags


class _AutoBooleanParser(flags.BooleanParser):
    """Parses true, false and auto; auto becomes None."""

    # pyrefly: ignore[bad-override]  # absl's own parser knows no None.
    def parse(self, argument: str | int | None) -> bool | None:
        return None if argument in (None, "auto") else super().parse(argument)


# What it runs on; --accelerator is in accelerator_flags.py.
flags.DEFINE_integer(
    "virtual_devices",
    0,
    "Split the CPU into this many virtual devices, to try a distributed run. "
    "0: do not split it.",
    lower_bound=0,
)
flags.DEFINE_enum(
    "precision",
    "auto",
    ["auto", "fast", "float32", "mixed_float16", "mixed_bfloat16"],
    "auto: bfloat16 on TPUs and new GPUs, float16 on older GPUs, float32 on a "
    "CPU. fast: the same, but bfloat16 on a CPU that has instructions for it.",
)
flags.DEFINE_integer(
    "max_per_replica_batch",
    0,
    "Number of examples that a replica computes at a time. If its share of a "
    "batch is larger, it is computed in parts, one after another, and their "
    "gradients are summed. Without --norm_group, batch normalisation uses the "
    "statistics of each part, so a new value after a restart can change the "
    "result; summary.json records the value of each start. 0: no limit.",
    lower_bound=0,
)
flags.DEFINE_flag(
    flags.Flag(
        _AutoBooleanParser(),
        flags.ArgumentSerializer(),
        "xla",
        None,
        "Compile the gradients of a step with XLA, and with a single replica "
        "the update of the weights, too. auto, the default, does so on GPUs. "
        "On a TPU the flag has no effect: everything is compiled anyway. A new "
        "value after a restart changes the last bits of the result; "
        "summary.json records the value of each start.",
        boolean=True,
    )
)
flags.DEFINE_bool(
    "exact",
    True,
    "On GPUs, use deterministic kernels, so that a run that was killed and "
    "resumed gives the same bits as an uninterrupted run; the shards of a "
    "window are then read one after another. --noexact allows the fastest "
    "kernels. CPUs are always exact.",
)
flags.DEFINE_integer(
    "steps_per_loop",
    0,
    "Training steps per compiled loop. 0: as many as take about one second.",
    lower_bound=0,
)
flags.DEFINE_integer(
    "num_parallel_calls",
    0,
    "Number of threads for the parallel parts of the input pipeline. 0: "
    "tf.data chooses it.",
    lower_bound=0,
)
flags.DEFINE_list(
    "profile_steps",
    [],
    "Profile some steps into WORKDIR/profile, for TensorBoard's profile page: "
    "the first step and the step after the last, such as 10,20.",
)

# Backups and stopping.
flags.DEFINE_integer(
    "backup_every_seconds",
    300,
    "Seconds between two backups. 0: no backups by time.",
    lower_bound=0,
)
flags.DEFINE_integer(
    "backup_every_steps",
    0,
    "Steps between two backups. 0: no backups by steps.",
    lower_bound=0,
)
flags.adopt_module_key_flags(settle_flags)
flags.DEFINE_float(
    "max_minutes",
    0.0,
    "Save a backup and stop this many minutes after the start. 0: no limit.",
    lower_bound=0,
)
flags.DEFINE_float(
    "max_loss",
    1000.0,
    "A step with a greater loss is treated like a step whose loss is not "
    "finite, see --on_nan. A new value after a restart can change which steps "
    "are skipped; summary.json records the value of each start. 0: no limit.",
    lower_bound=0,
)
flags.DEFINE_enum(
    "on_nan",
    "stop",
    ["stop", "rollback"],
    "What to do at a step whose loss or gradients are not finite. stop: stop "
    "before the step changes anything. rollback: restore the last backup and "
    "skip the batch of that step.",
)
flags.DEFINE_bool(
    "restart",
    False,
    "Start from the beginning, even if --backup_dir holds backups of this run "
    "or of another. The last old backup is kept until the new run has its own. "
    "Remove the flag from the command after the first start: every start with "
    "this flag starts from the beginning.",
)
flags.DEFINE_bool(
    "dry_run",
    False,
    "Print devices, presets, data, steps, parameters, memory and time, and "
    "exit. A few steps are computed and discarded; nothing is written.",
)
