"""Flags of `python trainer/export.py`."""

from absl import flags

flags.DEFINE_string(
    "model",
    None,
    "The model.keras in the --workdir of a run.",
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
    "The file or folder to write; by default beside the model, named after it.",
)
