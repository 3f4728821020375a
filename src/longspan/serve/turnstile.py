"""The web page of a turnstile: the browser's camera at the door, and the desk where people are enrolled and removed."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any, final

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from longspan.errors import ConfigError, LongspanError
from longspan.people.door import Door
from longspan.serve.app import add_problems
from longspan.serve.config import ServeConfig
from longspan.serve.guard import Guard
from longspan.serve.measurements import Measurements
from longspan.serve.page import PAGE_SHEET
from longspan.serve.problem import Problem
from longspan.serve.requests import check_value
from longspan.serve.served_model import Field
from longspan.version import __version__

__all__ = ["make_turnstile_app"]

_FOLDER = Path(__file__).parent
_SCRIPT = (_FOLDER / "turnstile.js").read_text(encoding="utf-8")
_SHEET = PAGE_SHEET + (_FOLDER / "turnstile.css").read_text(encoding="utf-8")
_PAGE = (_FOLDER / "turnstile.html").read_text(encoding="utf-8")
_PHOTO = Field("photo", "image")
_MOST_PHOTOS = 20


def make_turnstile_app(door: Door, config: ServeConfig | None = None, *, keys: tuple[bytes, ...]) -> Any:
    """An ASGI application: `/` the page, `/look` decides about an image, `/people`, `/enrol`, `/remove` and `/log`.

    Every address but the page itself asks for a key: who may enrol may open the door.

    Args:
        door: Decides, and holds the gallery.
        config: Limits of a request.
        keys: One of which each request has to show.

    Raises:
        ConfigError: no key.
    """
    if not keys:
        raise ConfigError("The page of a turnstile needs keys: --key-file FILE, with one key in each line.")
    config = config or ServeConfig()
    desk = _Desk(door, config)
    app = FastAPI(title="longspan turnstile", version=__version__, docs_url=None, redoc_url=None)

    @app.get("/", include_in_schema=False)
    async def page() -> HTMLResponse:
        return HTMLResponse(_PAGE)

    @app.get("/page.css", include_in_schema=False)
    async def sheet() -> Response:
        return Response(_SHEET, media_type="text/css")

    @app.get("/page.js", include_in_schema=False)
    async def script() -> Response:
        return Response(_SCRIPT, media_type="text/javascript")

    @app.get("/healthz", summary="Whether the process runs")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/look", summary="Whether the door opens for an image, a body of JPEG, PNG or WebP")
    async def look(request: Request) -> JSONResponse:
        body = await request.body()
        return JSONResponse(await asyncio.to_thread(desk.look, body))

    @app.get("/people", summary="Who is enrolled")
    async def people() -> JSONResponse:
        return JSONResponse(await asyncio.to_thread(desk.people))

    @app.get("/log", summary="What was done when")
    async def log() -> JSONResponse:
        return JSONResponse(await asyncio.to_thread(desk.log))

    @app.post("/enrol", summary="Enrol a person: a form with name and photos")
    async def enrol(request: Request) -> JSONResponse:
        if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
            raise Problem(415, "Send a form, multipart/form-data, with name and photos.")
        async with request.form(max_files=_MOST_PHOTOS, max_fields=4) as form:
            name, update = form.get("name"), form.get("update") == "yes"
            photos = [await each.read() for each in form.getlist("photos") if not isinstance(each, str)]
        return JSONResponse(await asyncio.to_thread(desk.enrol, name, photos, update=update))

    @app.post("/remove", summary="Remove a person: JSON with name")
    async def remove(request: Request) -> JSONResponse:
        try:
            given = await request.json()
        except ValueError:
            raise Problem(400, 'The body is not JSON. Send {"name": "..."}.') from None
        name = given.get("name") if isinstance(given, dict) else None
        return JSONResponse(await asyncio.to_thread(desk.remove, name))

    add_problems(app)
    paths = [str(getattr(route, "path", "")) for route in app.routes]
    return Guard(app, config, Measurements(), keys, paths)


@final
class _Desk:
    """What requests ask for, one at a time: networks and file are shared."""

    def __init__(self, door: Door, config: ServeConfig) -> None:
        self._door = door
        self._config = config
        self._lock = threading.Lock()

    def look(self, body: bytes) -> dict[str, Any]:
        photo = check_value(_PHOTO, body, self._config)
        with self._lock:
            try:
                return self._door.look(photo).to_json()
            except LongspanError as error:  # a damaged gallery, for instance
                self._door.reset()
                words = f"the door cannot decide: {error}"
                return {"open": False, "name": None, "similarity": None, "reason": words, "box": None}

    def people(self) -> list[dict[str, Any]]:
        with self._lock:
            return [
                {"name": each.name, "photos": each.entries, "added": each.added, "id": each.id}
                for each in _told(lambda: self._door.gallery.people)
            ]

    def log(self) -> list[dict[str, Any]]:
        with self._lock:
            return _told(self._door.gallery.log)

    def enrol(self, name: Any, photos: list[bytes], *, update: bool) -> dict[str, Any]:
        if not isinstance(name, str) or not name.strip():
            raise Problem(422, "The name is missing.")
        if not photos:
            raise Problem(422, "There is no photo. Send one or several, as files called photos.")
        faces, refused = [], []
        with self._lock:
            for number, photo in enumerate(photos, 1):
                try:
                    faces.append(self._door.reader.read_one(check_value(_PHOTO, photo, self._config)))
                except LongspanError as error:
                    refused.append(str(error).replace("the photo", f"photo {number}", 1))
            if not faces:
                raise Problem(422, f"No photo can be enrolled: {' '.join(refused):.800}")
            gallery = self._door.gallery
            take = gallery.update if update else gallery.enrol
            found = _told(
                lambda: take(
                    name, [face.vector for face in faces], qualities=[face.quality.to_json() for face in faces]
                )
            )
        return {"name": found.person.name, "photos": found.person.entries, "left_out": [*refused, *found.refused]}

    def remove(self, name: Any) -> dict[str, Any]:
        if not isinstance(name, str):
            raise Problem(422, "The name is missing.")
        with self._lock:
            self._door.reset()
            found = _told(lambda: self._door.gallery.remove(name))
        return {
            "id": found.id, "vectors": found.entries, "searched_bytes": found.searched_bytes,
            "people_left": found.people_left, "file_sha256": found.file_sha256,
        }  # fmt: skip


def _told(work: Any) -> Any:
    """What `work` gives; its refusals as problems."""
    try:
        return work()
    except LongspanError as error:
        raise Problem(422, f"{error!s:.800}") from None
