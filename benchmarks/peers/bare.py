"""No telemetry: what all others are measured against."""

from project import run

run(lambda _command: None)
