"""Exports two spans and a log by OTLP over HTTP, as an application without a Sentry SDK does: URL, key."""

import logging
import sys

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

base, key = sys.argv[1:]
headers = {"x-sentry-auth": f"sentry sentry_key={key}"}
resource = Resource.create({"service.name": "shop"})

tracing = TracerProvider(resource=resource)
exporter = OTLPSpanExporter(f"{base}/v1/traces", headers=headers, compression=Compression.Gzip)
tracing.add_span_processor(BatchSpanProcessor(exporter))
tracer = tracing.get_tracer("checkout")
with tracer.start_as_current_span("checkout"):
    with tracer.start_as_current_span("payment") as span:
        span.set_attribute("amount", 12)

logs = LoggerProvider(resource=resource)
logs.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter(f"{base}/v1/logs", headers=headers)))
logger = logging.getLogger("shop")
logger.addHandler(LoggingHandler(logger_provider=logs))
logger.warning("the cart is empty")

tracing.shutdown()
logs.shutdown()
