"""Images and labels to augmented ones, by drawn numbers."""
