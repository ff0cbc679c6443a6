"""Flags of `python demo/app.py`."""

from absl import flags

flags.DEFINE_list(
    "model",
    None,
    "The model.keras that a run left in its --workdir; of several, joined by "
    "commas, the calibrated probabilities are averaged.",
    required=True,
)
flags.DEFINE_string(
    "host",
    "127.0.0.1",
    "Address to listen on. By default the page is for this machine alone; "
    "0.0.0.0 shows it to everybody on the network.",
)
flags.DEFINE_integer(
    "port", 8000, "Port; 0 takes a free one.", lower_bound=0, upper_bound=65535
)
flags.DEFINE_integer(
    "tta", 1, "Views of an image that are averaged.", lower_bound=1
)
