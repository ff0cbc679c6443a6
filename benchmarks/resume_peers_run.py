"""One start of a training run for resume_peers.py: a row, from its backup on.

  ours     trainer/main.py, a backup every 5 steps
  epoch    Model.fit with keras.callbacks.BackupAndRestore, every epoch
  batches  the same, save_freq=5
  double   the same, with double_checkpoint
  orbax    Model.fit with keras.callbacks.OrbaxCheckpoint, save_freq=5, resumed
           by hand: load_model(), and the epoch from the number of its step

  python benchmarks/resume_peers_run.py ROW DATA_DIR FOLDER

FOLDER/backup holds the backups. FOLDER/steps.txt gets a line for each step that
is started: its number and the examples. FOLDER/done gets the digest of the
final weights.
"""

import hashlib
import os
import pathlib
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
EPOCHS = 6
BATCH = 16
SAVE_EVERY = 5
_STEP_SECONDS = 0.03  # Added to each step of all rows.


def note(folder: pathlib.Path, step: int, ids: str = "") -> None:
    """Adds a step to FOLDER/steps.txt; a kill does not lose it."""
    with open(folder / "steps.txt", "a", encoding="utf-8") as file:
        file.write(f"{step} {ids}\n")
    time.sleep(_STEP_SECONDS)


def ours(data_dir: str, folder: pathlib.Path) -> str:
    import json
    from unittest import mock

    from trainer import main
    from trainer.outputs.workdir import Workdir

    on_train_batch_end = Workdir.on_train_batch_end

    def noted(self: Workdir, batch: int, logs: dict | None = None) -> None:
        note(folder, self.state.step - 1)
        on_train_batch_end(self, batch, logs)

    sys.argv = [
        main.__file__,
        f"--data_dir={data_dir}",
        f"--workdir={folder / 'work'}",
        f"--backup_dir={folder / 'backup'}",
        "--backbone=small",
        f"--epochs={EPOCHS}",
        f"--global_batch_size={BATCH}",
        f"--backup_every_steps={SAVE_EVERY}",
        "--steps_per_loop=1",
    ]
    with mock.patch.object(Workdir, "on_train_batch_end", noted):
        try:
            main.run()
        except SystemExit as stop:
            if stop.code:
                raise
    summary = json.loads((folder / "work" / "summary.json").read_text())
    return summary["final_state_sha256"]


def fit(row: str, data_dir: str, folder: pathlib.Path) -> str:
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    tf.config.experimental.enable_op_determinism()
    dataset, net, steps = make_training(data_dir, folder)
    backup = folder / "backup"
    initial_epoch = 0
    if row == "orbax":
        if backup.exists() and any(backup.iterdir()):
            net = keras.saving.load_model(
                str(backup), custom_objects={"Net": type(net)}
            )
            initial_epoch = int(net.optimizer.iterations) // steps
        callback = keras.callbacks.OrbaxCheckpoint(
            str(backup), save_freq=SAVE_EVERY
        )
    else:
        callback = keras.callbacks.BackupAndRestore(
            str(backup),
            save_freq="epoch" if row == "epoch" else SAVE_EVERY,
            double_checkpoint=row == "double",
            delete_checkpoint=False,
        )
    net.fit(
        dataset,
        epochs=EPOCHS,
        initial_epoch=initial_epoch,
        callbacks=[callback],
        verbose=0,
    )
    digest = hashlib.sha256()
    for variable in net.variables:
        digest.update(variable.numpy().tobytes())
    return digest.hexdigest()


def make_training(data_dir: str, folder: pathlib.Path) -> tuple:
    """Returns a shuffled dataset, a compiled net, and the steps per epoch."""
    import keras
    import tensorflow as tf

    from tfrecord_builder.records import dataset_info
    from trainer.stream import eval_dataset, input_pipeline

    info = dataset_info.read(data_dir)
    splits = info.folds[1:]
    count = sum(info.splits[name].records for name in splits)
    paths = input_pipeline.shard_paths(info, data_dir, splits)
    batch = next(
        eval_dataset.make(info, paths, batch_size=count).as_numpy_iterator()
    )
    labels = {o.name: batch[o.name] for o in info.outputs}
    dataset = tf.data.Dataset.from_tensor_slices(
        ({"image": batch["image"], "id": tf.range(count)}, labels)
    )
    dataset = dataset.shuffle(count, seed=0).batch(BATCH, drop_remainder=True)

    class Net(keras.Model):
        def train_step(self, data: tuple) -> dict:
            inputs, _ = data
            noted = tf.numpy_function(
                lambda step, ids: note(
                    folder, int(step), ",".join(map(str, ids))
                ),
                [self.optimizer.iterations.value, inputs["id"]],
                [],
            )
            with tf.control_dependencies([noted] if noted is not None else []):
                return super().train_step(data)

    image = keras.Input(batch["image"].shape[1:], name="image")
    index = keras.Input((), name="id", dtype="int32")
    x = keras.layers.Rescaling(1 / 255)(image)
    for filters in (16, 32):
        x = keras.layers.Conv2D(filters, 3, strides=2, activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dropout(0.2)(x)
    outputs = {
        o.name: keras.layers.Dense(len(o.classes), name=o.name)(x)
        for o in info.outputs
    }
    net = Net({"image": image, "id": index}, outputs)
    net.compile(
        optimizer="adam",
        loss={
            name: keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            for name in outputs
        },
        jit_compile=False,
    )
    net.optimizer.build(net.trainable_variables)
    return dataset, net, count // BATCH


def main() -> None:
    row, data_dir, path = sys.argv[1:]
    folder = pathlib.Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    if row == "ours":
        digest = ours(data_dir, folder)
    else:
        digest = fit(row, data_dir, folder)
    (folder / "done").write_text(digest)


if __name__ == "__main__":
    main()
