"""``Studio`` over HTTP, for one page on the same machine and for nobody else."""

from __future__ import annotations

import json
import socket
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import Body, FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...datasets.base.errors import DataError, UserError
from ..inference.hints_file import hints_from_plain, hints_text
from .session import GoneError, Studio

HOST = "127.0.0.1"
MAX_UPLOAD = 64 * 2**20
PAGE = Path(__file__).with_name("page")
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


def server(studio: Studio, listening: socket.socket) -> uvicorn.Server:
    """What serves the page on a socket once its ``run`` is called, until interrupted."""
    port = listening.getsockname()[1]
    app = create_app(studio, frozenset({f"{HOST}:{port}", f"localhost:{port}"}))
    config = uvicorn.Config(app, log_level="warning", access_log=False)
    return uvicorn.Server(config)


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


def create_app(studio: Studio, hosts: frozenset[str], max_upload: int = MAX_UPLOAD) -> FastAPI:
    """The page and what it asks for.

    Args:
        studio: does the work.
        hosts: values of the Host header that are answered; other sites' names for this machine,
            and their pages, are not.
        max_upload: bytes of a request.
    """
    app = FastAPI(title="crosschroma", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(LocalOnly, hosts=hosts, max_upload=max_upload)
    app.add_exception_handler(UserError, _refused)
    app.mount("/ui", StaticFiles(directory=PAGE))
    _add_pages(app, studio)
    _add_results(app, studio)
    return app


class LocalOnly:
    """Answers only this machine's own page, and only requests of a stated, limited length.

    Host guards against names that were made to point here (DNS rebinding), Origin and
    Sec-Fetch-Site against pages of other sites.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str], max_upload: int) -> None:
        self.app, self.hosts, self.max_upload = app, hosts, max_upload

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, as ASGI has it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        refusal = self._refusal(scope["method"], Headers(scope=scope))
        answer = _error(*refusal) if refusal else self.app
        await answer(scope, receive, guarded)

    def _refusal(self, method: str, headers: Headers) -> tuple[int, str] | None:
        if headers.get("host") not in self.hosts:
            return 403, "this page is served to its own machine only"
        origin = headers.get("origin")
        own = origin is None or origin in {f"http://{host}" for host in self.hosts}
        site = headers.get("sec-fetch-site", "none")
        linked = headers.get("sec-fetch-mode") == "navigate" and method == "GET"
        if not own or (site not in ("none", "same-origin") and not linked):
            return 403, "requests of other sites are refused"
        if method in ("GET", "HEAD"):
            return None
        length = headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()):
            return 411, "the request does not state its length"
        if int(length[:20]) > self.max_upload:
            return 413, f"more than {self.max_upload / 2**20:g} MiB; make the file smaller"
        return None


Asked = Annotated[dict[str, Any], Body()]


def _add_pages(app: FastAPI, studio: Studio) -> None:
    """The page itself, methods, and what is opened."""

    @app.get("/")
    def index() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    @app.get("/favicon.ico")
    def favicon() -> FileResponse:
        return FileResponse(PAGE / "icon.svg", media_type="image/svg+xml")

    @app.get("/api/methods")
    def methods() -> list[dict[str, Any]]:
        return studio.described()

    @app.post("/api/pictures")
    async def open_picture(request: Request, name: str = "") -> dict[str, str]:
        data = await request.body()
        return {"id": await run_in_threadpool(studio.open, name, data)}

    @app.post("/api/palette")
    async def palette(request: Request, name: str = "") -> Response:
        found = await run_in_threadpool(studio.palette, name, await request.body())
        return JSONResponse(asdict(found))

    @app.post("/api/hints")
    async def load_hints(request: Request, name: str = "") -> Response:
        """A hints file, checked and with every colour as a and b."""
        try:
            data = json.loads(await request.body())
        except ValueError as error:
            raise DataError(f"{name} is no hints file: {error}") from error
        return Response(hints_text(hints_from_plain(data, name)), media_type="application/json")


def _add_results(app: FastAPI, studio: Studio) -> None:
    """What is made of an open picture by a method."""
    place = "/api/pictures/{token}/{number}"

    @app.get(place)
    def prepare(token: str, number: int) -> dict[str, Any]:
        return studio.prepare(token, number)

    @app.get(f"{place}/before")
    def before(token: str, number: int) -> Response:
        return Response(studio.before(token, number), media_type="image/png")

    @app.post(f"{place}/result")
    def result(token: str, number: int, asked: Asked) -> Response:
        return Response(studio.colored(token, number, asked), media_type="image/png")

    @app.post(f"{place}/suggestions")
    def suggestions(token: str, number: int, x: float, y: float, asked: Asked) -> list[Any]:
        return studio.suggestions(token, number, asked, x, y)

    @app.post(f"{place}/picture")
    def picture(token: str, number: int, asked: Asked) -> Response:
        return Response(studio.saved(token, number, asked), media_type="image/png")

    @app.post(f"{place}/hints")
    def hints(token: str, number: int, asked: Asked) -> Response:
        return Response(studio.hints(token, number, asked), media_type="application/json")


def _refused(request: Request, error: Exception) -> Response:
    return _error(404 if isinstance(error, GoneError) else 400, str(error))


def _error(status: int, text: str) -> JSONResponse:
    return JSONResponse({"error": text}, status)
