"""What goes where, from the ids and labels alone."""
