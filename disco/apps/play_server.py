"""The page of `scripts/play.py` as a small web application; needs the packages of the extra `listen`."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

from fastapi import FastAPI, Request  # pyright: ignore[reportMissingImports]
from fastapi.responses import (  # pyright: ignore[reportMissingImports]
    FileResponse,
    HTMLResponse,
    JSONResponse,
    Response,
    StreamingResponse,
)
from starlette.concurrency import run_in_threadpool  # pyright: ignore[reportMissingImports]

from disco.apps.play_guard import App, Guard
from disco.apps.play_making import Maker
from disco.apps.play_sounds import Sounds
from disco.errors import DiscoError
from disco.report.play import Controls, render_controls, script, style

LARGEST_WISH = 200_000  # bytes


def create_app(maker: Maker, controls: Controls, *, hosts: Collection[str], folder: Path) -> App:
    """Return the application.

    Args:
        maker: plays what is asked for.
        controls: what can be set.
        hosts: names and addresses under which it may be asked.
        folder: for given sounds.
    """
    pages = Pages(maker, controls, Sounds(folder))
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    for path, answer in (("/", pages.page), ("/play.css", pages.css), ("/play.js", pages.js)):
        app.add_route(path, answer, methods=["GET"])
    app.add_route("/takes/{name}", pages.take, methods=["GET"])
    app.add_route("/sound", pages.sound, methods=["POST"])
    app.add_route("/make", pages.make, methods=["POST"])
    app.add_exception_handler(DiscoError, refuse)
    return Guard(app, hosts)


class Pages:
    """The answers, one for each address."""

    def __init__(self, maker: Maker, controls: Controls, sounds: Sounds) -> None:
        self.maker = maker
        self.controls = controls
        self.sounds = sounds

    async def page(self, request: Request) -> Response:
        """The page, before anything was made."""
        return HTMLResponse(render_controls(self.controls))

    async def css(self, request: Request) -> Response:
        """Its style."""
        return Response(style(), media_type="text/css")

    async def js(self, request: Request) -> Response:
        """Its script."""
        return Response(script(), media_type="text/javascript")

    async def take(self, request: Request) -> Response:
        """A sound that was made."""
        name = request.path_params["name"]
        path = self.maker.sounds.get(f"/takes/{name}")
        if path is None:
            return JSONResponse({"error": "there is no such sound"}, status_code=404)
        return FileResponse(path, media_type="audio/wav", filename=name, content_disposition_type="inline")

    async def sound(self, request: Request) -> Response:
        """Take a sound in."""
        wrong_kind(request, "application/octet-stream")
        content = await received(request, self.controls.most_bytes)
        name, text = await run_in_threadpool(self.sounds.keep, content)
        return JSONResponse({"sound": name, "text": text})

    async def make(self, request: Request) -> Response:
        """Play a wish, and tell line by line how it goes."""
        wrong_kind(request, "application/json")
        content = await received(request, LARGEST_WISH)
        try:
            asked = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise DiscoError("the page sent what is no JSON", do="load it again") from error
        if not isinstance(asked, dict):
            raise DiscoError("the page sent no wish", do="load it again")
        given = self.sounds.find(asked.get("sound"))
        lines = await run_in_threadpool(self.maker.make, asked, given)
        return StreamingResponse(lines, media_type="application/x-ndjson")


async def refuse(request: Request, error: Exception) -> Response:
    """Answer an error of ours with its sentence."""
    return JSONResponse({"error": str(error)}, status_code=422)


def wrong_kind(request: Request, kind: str) -> None:
    """Refuse what forms of other sites can send without being asked.

    Raises:
        DiscoError: the request is of another kind.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != kind:
        raise DiscoError(f"this is not sent as {kind}", do="use the page")


async def received(request: Request, most: int) -> bytes:
    """Return what a request carries, read no further than it may be long.

    Raises:
        DiscoError: it is longer.
    """
    length = request.headers.get("content-length", "0")
    too_long = DiscoError(f"this has more than {most / 1e6:g} MB", do="give less")
    if not length.isdigit() or int(length) > most:
        raise too_long
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > most:
            raise too_long
    return bytes(content)
