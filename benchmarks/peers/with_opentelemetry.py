"""OpenTelemetry, as its getting started has it: a span in a batch processor, which is flushed when the process ends.

Where it sends is OTEL_EXPORTER_OTLP_ENDPOINT.
"""

import os

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from project import run

provider = TracerProvider(resource=Resource.create({SERVICE_NAME: "benchmark"}))
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
tracer = trace.get_tracer("benchmark")


def record(command: str) -> None:
    with tracer.start_as_current_span(command) as span:
        span.set_attribute("run", os.environ["RUN"])


run(record)
