"""The warehouse: a seam, what is behind it, and what opens the one that is meant."""
