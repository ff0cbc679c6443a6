"""Flags of `python trainer/export.py`."""

from absl import flags

flags.DEFINE_string(
    "model",
    None,
    "Path of the model.keras in the --workdir of a run.",
    required=True,
)
flags.DEFINE_enum(
    "format",
    None,
    ["saved_model", "litert", "onnx"],
    "What to write: saved_model (a folder, TensorFlow), litert (a .tflite "
    "file, phones) or onnx (an .onnx file, ONNX Runtime).",
    required=True,
)
flags.DEFINE_string(
    "output",
    None,
    "The file or folder to write. Default: in the folder of the model, with "
    "the model's name and the ending of the format.",
)
