# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An application that reports to its server by an agent from PyPI: ``shop.py otlp|otlp-grpc|elastic|newrelic``.

All else is in the environment.
"""
from __future__ import annotations

import logging
import sys
import time
import typing as t

_PAUSE_S = 0.5


def otlp() -> None:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    _trace(OTLPSpanExporter())


def otlp_grpc() -> None:
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    _trace(OTLPSpanExporter())


def _trace(exporter: t.Any) -> None:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1000))
    trace.set_tracer_provider(provider)
    while True:
        with trace.get_tracer("shop").start_as_current_span("order"):
            time.sleep(_PAUSE_S)


def elastic() -> None:
    import elasticapm

    client = elasticapm.Client(service_name="shop")
    while True:
        client.begin_transaction("order")
        time.sleep(_PAUSE_S)
        client.end_transaction("order", "done")


def newrelic() -> None:
    import newrelic.agent

    newrelic.agent.initialize()
    application = newrelic.agent.register_application(timeout=0)
    while True:
        with newrelic.agent.BackgroundTask(application, name="order"):
            time.sleep(_PAUSE_S)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    {"otlp": otlp, "otlp-grpc": otlp_grpc, "elastic": elastic, "newrelic": newrelic}[sys.argv[1]]()
