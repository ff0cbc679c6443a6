"""What a run computes on, when it stops, and the state it is in."""
