"""What a run leaves in its workdir."""
