"""Flags of `python demo/app.py`."""

from absl import flags

flags.DEFINE_string(
    "host",
    "127.0.0.1",
    "Address to listen on. With the default, only this machine can open the "
    "page; with 0.0.0.0, everybody on the network can.",
)
flags.DEFINE_integer(
    "port",
    8000,
    "Port to listen on. 0: any free port.",
    lower_bound=0,
    upper_bound=65535,
)
