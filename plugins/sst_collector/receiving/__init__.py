"""Receiving: from a connection's first byte to the records that are journaled, and what bounds strangers on the way."""
