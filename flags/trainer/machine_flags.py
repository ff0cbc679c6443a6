"""Flags of trainer/main.py: what it runs on, backups and stopping."""

from absl import flags

from flags.trainer import settle_flags


class _AutoBooleanParser(flags.BooleanParser):
    """Parses true, false, and auto, which is None."""

    # pyrefly: ignore[bad-override]  # absl's own parser knows no None.
    def parse(self, argument: str | int | None) -> bool | None:
        return None if argument in (None, "auto") else super().parse(argument)


# What it runs on; --accelerator is in accelerator_flags.py.
flags.DEFINE_integer(
    "virtual_devices",
    0,
    "Cut the CPU into this many devices, to try a distributed run.",
    lower_bound=0,
)
flags.DEFINE_enum(
    "precision",
    "auto",
    ["auto", "fast", "float32", "mixed_float16", "mixed_bfloat16"],
    "auto: bfloat16 on TPUs and new GPUs, float16 on older ones, float32 on "
    "a CPU. fast: as auto, and bfloat16 on a CPU that has instructions for it.",
)
flags.DEFINE_integer(
    "max_per_replica_batch",
    0,
    "Examples that a replica computes at a time; more are computed in parts, "
    "one after another, and their gradients summed. Without --norm_group, "
    "batch normalisation sees the parts, so another value in a later leg can "
    "change the result: each leg notes it in summary.json. 0: no limit.",
    lower_bound=0,
)
flags.DEFINE_flag(
    flags.Flag(
        _AutoBooleanParser(),
        flags.ArgumentSerializer(),
        "xla",
        None,
        "Compile the gradients of a step, and the update of a single replica, "
        "with XLA. auto, the default, does so on GPUs. On a TPU everything is "
        "compiled anyway, and this does nothing. Another value in a later leg "
        "changes the last bits of the result: each leg notes it in "
        "summary.json.",
        boolean=True,
    )
)
flags.DEFINE_bool(
    "exact",
    True,
    "On GPUs, use kernels that give the same bits each time, so that a run "
    "that was killed ends as one that was not; the shards of a window are "
    "then read one after another. --noexact lets the fastest kernels be "
    "chosen. CPUs are always exact.",
)
flags.DEFINE_integer(
    "steps_per_loop",
    0,
    "Steps between two looks of the host at the device; 0: about a second's.",
    lower_bound=0,
)
flags.DEFINE_integer(
    "num_parallel_calls",
    0,
    "Threads of the input pipeline's parallel parts; 0: as many as help.",
    lower_bound=0,
)
flags.DEFINE_list(
    "profile_steps",
    [],
    "First step and step to end before, such as 10,20: profiles them into "
    "WORKDIR/profile for TensorBoard's profile page.",
)

# Backups and stopping.
flags.DEFINE_integer(
    "backup_every_seconds",
    300,
    "Seconds between two backups; 0: not by time.",
    lower_bound=0,
)
flags.DEFINE_integer(
    "backup_every_steps",
    0,
    "Steps between two backups; 0: not by steps.",
    lower_bound=0,
)
flags.adopt_module_key_flags(settle_flags)
flags.DEFINE_float(
    "max_minutes",
    0.0,
    "Stop in good order this many minutes after the start, with a backup; 0: "
    "no limit.",
    lower_bound=0,
)
flags.DEFINE_float(
    "max_loss",
    1000.0,
    "A step with a greater loss is treated as one that is not finite, see "
    "--on_nan. Another value in a later leg can change which steps are taken: "
    "each leg notes it in summary.json. 0: no limit.",
    lower_bound=0,
)
flags.DEFINE_enum(
    "on_nan",
    "stop",
    ["stop", "rollback"],
    "What to do at a step whose loss or gradients are not finite: stop before "
    "it changes anything, or go back to the last backup and pass over that "
    "step's batch.",
)
flags.DEFINE_bool(
    "restart",
    False,
    "Start over, though the backup folder holds another run or this one. Its "
    "last backup is kept until the new run has its own. Give it once: the "
    "same command with it starts over again.",
)
flags.DEFINE_bool(
    "dry_run",
    False,
    "Tell devices, presets, data, steps, parameters, memory and time, after a "
    "few steps that are thrown away, and exit. Nothing is written.",
)
