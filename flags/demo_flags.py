"""Flags of `python demo/app.py`."""

from absl import flags

flags.DEFINE_string(
    "host",
    "127.0.0.1",
    "Address to listen on. By default the page is for this machine alone; "
    "0.0.0.0 shows it to everybody on the network.",
)
flags.DEFINE_integer(
    "port", 8000, "Port; 0 takes a free one.", lower_bound=0, upper_bound=65535
)
