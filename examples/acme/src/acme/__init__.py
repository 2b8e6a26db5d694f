"""A list of things to buy."""

__version__ = "2.4.1"
