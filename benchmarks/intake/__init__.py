"""The collector under load: what is sent, by whom, and what else could have taken it in."""
