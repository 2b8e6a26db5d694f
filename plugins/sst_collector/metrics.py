"""What Prometheus reads on the admin port: a dozen numbers about the collector itself, none about who sends."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from falcon.asgi import App, Request, Response


@dataclass(slots=True)
class Metrics:
    """Counts since the start."""

    accepted: int = 0
    rejected: int = 0
    forgotten: int = 0
    refused: int = 0
    limited: int = 0
    loaded: int = 0
    rounds: int = 0
    failed_rounds: int = 0


_COUNTERS = {
    "accepted": ("collector_lines_accepted_total", "Lines that were acknowledged."),
    "rejected": ("collector_lines_rejected_total", "Lines that the catalogue does not allow."),
    "forgotten": ("collector_ids_forgotten_total", "Ids that were asked to be forgotten."),
    "refused": ("collector_requests_unstored_total", "Requests answered with 503: the journal took nothing."),
    "limited": ("collector_requests_limited_total", "Requests answered with 429."),
    "loaded": ("collector_segments_loaded_total", "Journal segments moved into the warehouse."),
    "rounds": ("collector_rounds_total", "Rounds of loading and publishing that ended well."),
    "failed_rounds": ("collector_rounds_failed_total", "Rounds that failed."),
}


def as_text(metrics: Metrics, gauges: Mapping[str, tuple[str, float]]) -> str:
    """Prometheus's text format. `gauges`: by name, what it is in words and its value."""
    lines = []
    for name, (metric, meaning) in _COUNTERS.items():
        lines += [f"# HELP {metric} {meaning}", f"# TYPE {metric} counter", f"{metric} {getattr(metrics, name)}"]
    for metric, (meaning, value) in gauges.items():
        lines += [f"# HELP {metric} {meaning}", f"# TYPE {metric} gauge", f"{metric} {value:.16g}"]
    return "\n".join([*lines, ""])


Gauges = Callable[[], Mapping[str, tuple[str, float]]]


def create_admin_app(metrics: Metrics, gauges: Gauges) -> App[Request, Response]:
    """The ASGI app of the admin port."""
    app = App()
    app.add_route("/metrics", _Metrics(metrics, gauges))
    return app


@dataclass(frozen=True, slots=True)
class _Metrics:
    metrics: Metrics
    gauges: Gauges

    async def on_get(self, req: Request, resp: Response) -> None:  # noqa: ARG002 - falcon's signature
        resp.content_type = "text/plain; version=0.0.4; charset=utf-8"
        resp.text = as_text(self.metrics, self.gauges())
