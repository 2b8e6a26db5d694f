"""The journal: what is acknowledged, on the disk until a warehouse has it."""
