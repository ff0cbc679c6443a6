"""Runs the real trainer; a step has no finite loss, and saves are slow.

python poisoned_trainer.py STEP SAVE_SECONDS --trainer_flag=…
"""

import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main() -> None:
    bad_step, seconds = int(sys.argv[1]), float(sys.argv[2])
    import tensorflow as tf

    from storage.local_folder import LocalFolder
    from trainer import main as command
    from trainer.training.train_step import TrainStep

    gradients, upload = TrainStep.gradients, LocalFolder.upload

    def poisoned(self, weights, state, features, number, scale):
        grads, state, loss, bad = gradients(
            self, weights, state, features, number, scale
        )
        loss = tf.where(number == bad_step, float("nan"), loss)
        return grads, state, loss, bad

    def slow(self, path, name):
        time.sleep(seconds)
        upload(self, path, name)

    TrainStep.gradients, LocalFolder.upload = poisoned, slow
    sys.argv = [command.__file__, *sys.argv[3:]]
    command.run()


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
