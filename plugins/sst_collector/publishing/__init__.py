"""Publishing: what may be told of a week that is over, and every page and file that tells it."""
