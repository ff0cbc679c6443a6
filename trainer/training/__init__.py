"""The recipe of a run, its train step, and the loop."""
