"""The page's HTTP server: connections that time out, and an end that waits for nobody."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_WAIT_S = 60.0  # for the rest of a request, and for an answer to be read
MAX_CONNECTIONS = 64
_CHECKS = 12  # within that time
_END_S = 1  # for what is under way when the server ends


class TimedConnection(H11Protocol):
    """A connection that is cut when its client keeps the server waiting.

    The client has ``max_wait_s`` for a request, counted from the connection or from the answer
    before, and as long to read the answer. The time that an answer takes to be computed is free.
    """

    max_wait_s = MAX_WAIT_S

    def connection_made(self, transport: Any) -> None:
        """Begin to count."""
        super().connection_made(transport)
        self._since = self.loop.time()
        self._check = self.loop.call_later(self.max_wait_s / _CHECKS, self._cut_if_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop to count."""
        self._check.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Count anew."""
        self._since = self.loop.time()
        super().on_response_complete()

    def _cut_if_late(self) -> None:
        now = self.loop.time()
        if self._is_served():
            self._since = now
        if now - self._since > self.max_wait_s:
            self.transport.abort()
            return
        self._check = self.loop.call_later(self.max_wait_s / _CHECKS, self._cut_if_late)

    def _is_served(self) -> bool:
        """Whether the server has work to do for the client, who has no part in it."""
        if self.transport.get_write_buffer_size() or self.cycle is None:
            return False
        complete = not self.cycle.more_body or self.flow.read_paused
        return complete and not self.cycle.response_complete


class PageServer(uvicorn.Server):
    """``uvicorn`` on one socket, ended by ``should_exit`` within seconds, in silence.

    Args:
        app: what answers.
        listening: the socket.
        max_wait_s: see ``TimedConnection``.
    """

    def __init__(
        self, app: ASGIApp, listening: socket.socket, max_wait_s: float = MAX_WAIT_S
    ) -> None:
        timed = type("Connection", (TimedConnection,), {"max_wait_s": max_wait_s})
        config = uvicorn.Config(
            app,
            http=timed,
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_graceful_shutdown=_END_S,
        )
        super().__init__(config)
        self.listening = listening

    def serve_page(self) -> None:
        """Serve until ``should_exit`` is set."""
        self.run(sockets=[self.listening])

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End what is under way, whose protests nobody needs to read."""
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)
