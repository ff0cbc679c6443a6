"""The recipe of a run, its train step, and the loop.

recipe          builds the step from the flags
train_step      gradients and update; compiled_loop: several steps in one call
losses, optimizers, schedule, loss_scale; parts: a batch in parts
loop            steps and epochs to the end; loop_length: steps in one call
bad_steps       steps whose loss is not finite
out_of_memory   steps that memory is too small for
early_stopping  ends a run that no longer gets better
warm_start      gives a new run its initial weights
dry_run         describes a run without starting it; log_lines: its log
"""
