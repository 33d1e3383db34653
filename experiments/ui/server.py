"""``Session`` over HTTP, for one page on the same machine and for nobody else."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from fastapi import Body, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...datasets.base.errors import UserError
from ...datasets.base.json_file import parse_json
from ..inference.hints_file import hints_from_plain, hints_text
from .connection import MAX_WAIT_S, PageServer
from .session import GoneError, Session

HOST = "127.0.0.1"
MAX_UPLOAD = 64 * 2**20  # bytes of a file
MAX_JSON = 2 * 2**20  # bytes of hints and settings
MAX_IN_FLIGHT = 2 * MAX_UPLOAD  # bytes of all requests that are being answered
MAX_RESULTS = 4  # that are computed or sent at a time
_PIECE = 2**18  # bytes of an answer that are handed on at a time
PAGE = Path(__file__).with_name("page")
_UPLOADS = ("/api/pictures", "/api/palette")
_RESULTS = "/api/pictures/"
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'; base-uri 'none'; "
        "form-action 'none'; object-src 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def server(
    session: Session, listening: socket.socket, max_wait_s: float = MAX_WAIT_S
) -> PageServer:
    """What serves the page on a socket; see ``PageServer``."""
    port = listening.getsockname()[1]
    app = create_app(session, frozenset({f"{HOST}:{port}", f"localhost:{port}"}))
    return PageServer(app, listening, max_wait_s)


def listen(port: int) -> socket.socket:
    """A socket of this machine's loopback address; port 0 takes a free one.

    Raises:
        UserError: the port is taken, or out of range.
    """
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except (OSError, OverflowError) as error:
        listening.close()
        raise UserError(f"cannot listen on {HOST}:{port}: {error}; give another --port") from error
    return listening


def create_app(
    session: Session,
    hosts: frozenset[str],
    max_upload: int = MAX_UPLOAD,
    max_in_flight: int = MAX_IN_FLIGHT,
) -> FastAPI:
    """The page and what it asks for.

    Args:
        session: does the work.
        hosts: values of the Host header that are answered; other sites' names for this machine,
            and their pages, are not.
        max_upload: bytes of a file.
        max_in_flight: bytes of all requests that are being answered.
    """
    app = FastAPI(title="crosschroma", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(LocalOnly, hosts=hosts, max_upload=max_upload, max_in_flight=max_in_flight)
    app.add_exception_handler(UserError, _refused)
    app.add_exception_handler(MemoryError, _too_little_memory)
    app.add_exception_handler(RequestValidationError, _not_as_asked)
    app.mount("/ui", StaticFiles(directory=PAGE))
    _add_pages(app, session)
    _add_results(app, session)
    return app


class LocalOnly:
    """Answers only this machine's own page, and bounds what requests can make it hold.

    Host guards against names that were made to point here (DNS rebinding), Origin and
    Sec-Fetch-Site against pages of other sites. A request states its length, which is limited; so
    is the sum over all requests, and the number of results that are computed or sent.
    """

    def __init__(
        self, app: ASGIApp, hosts: frozenset[str], max_upload: int, max_in_flight: int
    ) -> None:
        self.app, self.hosts = app, hosts
        self.max_upload, self.max_in_flight = max_upload, max_in_flight
        self.in_flight = 0
        self._results = asyncio.Semaphore(MAX_RESULTS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, as ASGI has it."""
        if scope["type"] != "http":
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            # in pieces, so that not a whole picture waits for each client that reads slowly
            body = memoryview(message.get("body", b""))
            start = 0
            while len(body) - start > _PIECE:
                piece = bytes(body[start : start + _PIECE])
                await send({**message, "body": piece, "more_body": True})
                start += _PIECE
            await send({**message, "body": bytes(body[start:])} if start else message)

        headers = Headers(scope=scope)
        if refusal := self._refusal(scope["method"], scope["path"], headers):
            await _error(*refusal)(scope, receive, guarded)
            return
        length = int(headers.get("content-length", 0))
        self.in_flight += length
        try:
            if scope["path"].startswith(_RESULTS):
                async with self._results:
                    await self.app(scope, receive, guarded)
            else:
                await self.app(scope, receive, guarded)
        except ClientDisconnect:
            pass  # nobody is left to be answered
        finally:
            self.in_flight -= length

    def _refusal(self, method: str, path: str, headers: Headers) -> tuple[int, str] | None:
        if headers.get("host") not in self.hosts:
            return 403, "this page is served to its own machine only"
        origin = headers.get("origin")
        own = origin is None or origin in {f"http://{host}" for host in self.hosts}
        site = headers.get("sec-fetch-site", "none")
        linked = headers.get("sec-fetch-mode") == "navigate" and method == "GET"
        if not own or (site not in ("none", "same-origin") and not linked):
            return 403, "requests of other sites are refused"
        stated = headers.get("content-length", "0" if method in ("GET", "HEAD") else "")
        if not (stated.isascii() and stated.isdigit()):
            return 411, "the request does not state its length"
        length = int(stated[:20])
        most = self.max_upload if path in _UPLOADS else min(MAX_JSON, self.max_upload)
        if length > most:
            return 413, f"more than {most / 2**20:g} MiB; make the file smaller"
        if self.in_flight + length > self.max_in_flight:
            return 503, "other files are being read; try again in a moment"
        return None


Asked = Annotated[dict[str, Any], Body()]


def _add_pages(app: FastAPI, session: Session) -> None:
    """The page itself, methods, and what is opened."""

    @app.get("/")
    def index() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    @app.get("/favicon.ico")
    def favicon() -> FileResponse:
        return FileResponse(PAGE / "icon.svg", media_type="image/svg+xml")

    @app.get("/api/methods")
    def methods() -> list[dict[str, Any]]:
        return session.describe()

    @app.post("/api/pictures")
    async def open_picture(request: Request, name: str = "") -> dict[str, Any]:
        token, guess = await run_in_threadpool(session.open, name, await request.body())
        looks = {"domain": guess.domain, "sure": guess.sure, "text": guess.text}
        return {"id": token, "looks": looks}

    @app.post("/api/palette")
    async def palette(request: Request, name: str = "") -> Response:
        colors = await run_in_threadpool(session.palette, name, await request.body())
        return JSONResponse(asdict(colors))

    @app.post("/api/hints")
    async def load_hints(request: Request, name: str = "") -> Response:
        """A hints file, checked and with every colour as a and b."""
        data = parse_json(await request.body(), Any, name or "the text", "hints file")
        return Response(hints_text(hints_from_plain(data, name)), media_type="application/json")


def _add_results(app: FastAPI, session: Session) -> None:
    """What is made of an open picture by a method."""
    place = "/api/pictures/{token}/{number}"

    @app.get(place)
    def prepare(token: str, number: int) -> dict[str, Any]:
        return session.prepare(token, number)

    @app.get(f"{place}/input")
    def shown_input(token: str, number: int) -> Response:
        return Response(session.shown_input(token, number), media_type="image/png")

    @app.post(f"{place}/preview")
    def preview(token: str, number: int, asked: Asked) -> Response:
        return Response(session.preview(token, number, asked), media_type="image/png")

    @app.post(f"{place}/suggestions")
    def suggestions(token: str, number: int, x: float, y: float, asked: Asked) -> list[Any]:
        return session.suggestions(token, number, asked, x, y)

    @app.post(f"{place}/picture")
    def picture(token: str, number: int, asked: Asked) -> Response:
        return Response(session.picture(token, number, asked), media_type="image/png")

    @app.post(f"{place}/hints")
    def hints(token: str, number: int, asked: Asked) -> Response:
        return Response(session.hints(token, number, asked), media_type="application/json")


def _refused(request: Request, error: Exception) -> Response:
    return _error(404 if isinstance(error, GoneError) else 400, str(error))


def _not_as_asked(request: Request, error: Exception) -> Response:
    """Without what was sent, which the framework's own answer repeats."""
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    texts = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults)
    return _error(422, "; ".join(texts))


def _too_little_memory(request: Request, error: Exception) -> Response:
    return _error(507, "this needs more memory than there is; make the picture smaller")


def _error(status: int, text: str) -> JSONResponse:
    return JSONResponse({"error": text}, status)
