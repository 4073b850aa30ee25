# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uses a real connection pool as an application does: workers that each take a connection, use it, keep it a while and give it back.

The pool is psycopg_pool, with the application's settings. Other pools (SQLAlchemy's, HikariCP) queue alike: who finds all connections
in use waits for one until the time-out.

Source: psycopg documentation, "Connection pools" (ConnectionPool, pool stats).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import logging
import threading
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql.libpq import MissingLibrary

_LOGGER = "psycopg.pool"
_MOST_TEXTS = 3
# What closing the pool, and a worker's last use of a connection, may take beyond the duration.
_CLOSING_S = 1.0


class Settings(t.NamedTuple):
    """``size`` and ``largest`` are numbers of connections; ``timeout``, ``duration`` and ``hold`` are seconds."""

    size: int
    largest: int
    workers: int
    timeout: float
    duration: float
    hold: float


class Workload(t.NamedTuple):
    """What the workers met. ``waits``: seconds, in ascending order. ``texts``: why connections could not be opened."""

    waits: list[float]
    timeouts: int
    failures: int
    opened: int
    open_failures: int
    connect_ms: float | None
    texts: list[str]
    started: bool


def load_pool() -> t.Any:
    """psycopg_pool, imported only here. :raises MissingLibrary: there is none."""
    try:
        import psycopg_pool  # pylint: disable=import-outside-toplevel
    except ImportError as problem:
        raise MissingLibrary(str(problem).strip().split("\n", 1)[0]) from None
    return psycopg_pool


class _Texts(logging.Handler):
    """The pool tells only its log why it can't open a connection."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.kept: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text not in self.kept and len(self.kept) < _MOST_TEXTS:
            self.kept.append(text)


def run(library: t.Any, conninfo: str, settings: Settings, remaining: t.Callable[[], float]) -> Workload:
    """:param library: of :func:`load_pool`. :param conninfo: with the password. :param remaining: seconds left for all of it."""
    texts, logger = _Texts(), logging.getLogger(_LOGGER)
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(texts)
    try:
        return _run(library, conninfo, settings, remaining, texts)
    finally:
        logger.removeHandler(texts)
        logger.propagate = propagate


def _run(library: t.Any, conninfo: str, settings: Settings, remaining: t.Callable[[], float], texts: _Texts) -> Workload:
    timeout = max(0.1, min(settings.timeout, remaining() - _CLOSING_S))
    pool = library.ConnectionPool(
        conninfo, min_size=min(settings.size, settings.largest), max_size=settings.largest, open=False, timeout=timeout,
        # No prepared statements: a pooler in transaction mode must not be what fails here.
        kwargs={"autocommit": True, "prepare_threshold": None}, reconnect_timeout=timeout, num_workers=3, name="connectivity.doctor")
    crew = _Crew(pool, library.PoolTimeout, settings, timeout)
    started = True
    try:
        pool.open(wait=True, timeout=timeout)
        crew.work(remaining)
    except library.PoolTimeout:
        started = False
    finally:
        statistics = pool.get_stats()
        pool.close(timeout=max(0.1, min(_CLOSING_S, remaining())))
    opened = statistics.get("connections_num", 0)
    failed = statistics.get("connections_errors", 0)
    spent = statistics.get("connections_ms")
    return Workload(
        sorted(crew.waits), crew.timeouts, crew.failures, opened - failed, failed,
        round(spent / opened, 1) if spent and opened else None, texts.kept, started)


class _Crew:
    def __init__(self, pool: t.Any, pool_timeout: t.Any, settings: Settings, timeout: float) -> None:
        self._pool = pool
        self._pool_timeout = pool_timeout
        self._settings = settings
        self._timeout = timeout
        self._end = time.monotonic() + settings.duration
        self.waits: list[float] = []
        self.timeouts = 0
        self.failures = 0

    def work(self, remaining: t.Callable[[], float]) -> None:
        self._end = time.monotonic() + min(self._settings.duration, max(0.0, remaining() - _CLOSING_S))
        crew = [threading.Thread(target=self._worker, daemon=True) for _number in range(self._settings.workers)]
        for worker in crew:
            worker.start()
        for worker in crew:
            worker.join(max(0.0, remaining() - _CLOSING_S / 2))

    def _worker(self) -> None:
        while time.monotonic() < self._end:
            began = time.monotonic()
            try:
                connection = self._pool.getconn(timeout=self._timeout)
            except self._pool_timeout:
                self.timeouts += 1
                continue
            except Exception:  # the pool was closed at the deadline, or broke
                self.failures += 1
                return
            self.waits.append(time.monotonic() - began)
            try:
                connection.execute("SELECT 1")
                time.sleep(self._settings.hold)
            except Exception:  # whatever psycopg raises for a connection that broke: the pool replaces it
                self.failures += 1
            finally:
                self._pool.putconn(connection)


def quantile(ordered: t.Sequence[float], share: float) -> float | None:
    """The smallest value that at least this share does not exceed (nearest rank), None of nothing."""
    return ordered[min(len(ordered) - 1, max(0, -int(-len(ordered) * share // 1) - 1))] if ordered else None
