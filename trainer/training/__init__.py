"""The recipe of a run, its train step, and the training loop.

recipe          builds the step from the flags
train_step      gradients and update; compiled_loop: several steps in one call
losses, optimizers, schedule, loss_scale; parts: a batch in parts
loop            runs steps and epochs to the end; loop_length: steps in a call
bad_steps       handles steps whose loss is not finite
out_of_memory   handles steps that need more memory than there is
early_stopping  ends a run that no longer improves
warm_start      gives a new run its initial weights
dry_run         describes a run without starting it; log_lines: texts of the log
"""
