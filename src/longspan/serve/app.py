"""The web application: addresses, what they take and what they give."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from longspan.errors import ConfigError, DataError, LongspanError
from longspan.serve.batcher import Batcher
from longspan.serve.config import ServeConfig
from longspan.serve.guard import FAILED, Guard
from longspan.serve.measurements import Measurements
from longspan.serve.page import PAGE_SCRIPT, PAGE_SHEET, page_of
from longspan.serve.problem import Problem
from longspan.serve.requests import check_value, values_of_body
from longspan.serve.results import drawn_png, png_of, result_of
from longspan.serve.served_model import ServedModel
from longspan.version import __version__

__all__ = ["add_problems", "make_app"]


def make_app(models: Sequence[ServedModel], config: ServeConfig | None = None, *, keys: Sequence[bytes] = ()) -> Any:
    """An ASGI application that serves models.

    Args:
        models: With names of their own.
        config: Limits.
        keys: One of which requests for predictions must show; empty: none is asked for.

    Raises:
        ConfigError: no model, two of one name, or more than the memory limit allows.
    """
    config = config or ServeConfig()
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # it would log bytes of damaged bodies
    by_name = _checked(models, config)
    batchers = {
        name: Batcher(
            partial(_predicted, model),
            max_batch=config.max_batch,
            max_queue=config.max_queue,
            wait_ms=config.wait_ms,
            threads=config.threads if model.parallel else 1,
            share=1 / (2 * config.threads) if model.parallel else 1.0,
        )
        for name, model in by_name.items()
    }
    # One image at a time: a heat map takes a pass forward and one backward.
    explainers = {
        name: Batcher(partial(_explained, model), max_batch=1, max_queue=config.max_queue, wait_ms=0)
        for name, model in by_name.items()
        if model.explained is not None
    }
    measurements = Measurements()
    ready = {"ready": True}

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        del app
        yield
        ready["ready"] = False
        for batcher in (*batchers.values(), *explainers.values()):
            await asyncio.to_thread(batcher.close)

    app = FastAPI(
        title="longspan", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan,
        description="Predictions of trained models.",
    )  # fmt: skip
    _add_pages(app, by_name)
    _add_state(app, by_name, batchers, measurements, ready)
    for name, model in by_name.items():
        _add_model(app, model, batchers[name], explainers.get(name), config)
    add_problems(app)
    paths = [str(getattr(route, "path", "")) for route in app.routes]
    return Guard(app, config, measurements, keys, paths)


def _predicted(model: ServedModel, values: list[dict[str, Any]]) -> Sequence[Any]:
    return model.predict([model.value(each) for each in values])


def _explained(model: ServedModel, values: list[dict[str, Any]]) -> Sequence[Any]:
    return model.explain([model.value(each) for each in values])


def _checked(models: Sequence[ServedModel], config: ServeConfig) -> dict[str, ServedModel]:
    by_name: dict[str, ServedModel] = {}
    for model in models:
        if model.name in by_name:
            raise ConfigError(f"Two models are called {model.name!r}. Name them: NAME=FILE.")
        by_name[model.name] = model
    if not by_name:
        raise ConfigError("Got no model to serve. Name at least one.")
    total = sum(model.file_mb for model in models)
    if config.memory_mb and total > config.memory_mb:
        raise ConfigError(
            f"The models take {total:,.1f} MB, more than the {config.memory_mb:g} MB that are allowed. Serve fewer of "
            "them, or allow more."
        )
    return by_name


def _add_pages(app: FastAPI, models: dict[str, ServedModel]) -> None:
    names = list(models)

    @app.get("/", include_in_schema=False)
    async def index() -> HTMLResponse:
        return HTMLResponse(page_of(models[names[0]].describe(), names))

    @app.get("/m/{name}", include_in_schema=False)
    async def page(name: str) -> HTMLResponse:
        if name not in models:
            raise Problem(404, f"No model has this name. There are: {', '.join(names)}.")
        return HTMLResponse(page_of(models[name].describe(), names))

    @app.get("/page.css", include_in_schema=False)
    async def sheet() -> Response:
        return Response(PAGE_SHEET, media_type="text/css")

    @app.get("/page.js", include_in_schema=False)
    async def script() -> Response:
        return Response(PAGE_SCRIPT, media_type="text/javascript")


def _add_state(
    app: FastAPI,
    models: dict[str, ServedModel],
    batchers: dict[str, Batcher],
    measurements: Measurements,
    ready: dict[str, bool],
) -> None:
    @app.get("/healthz", summary="Whether the process runs")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", summary="Whether predictions are given")
    async def readyz() -> dict[str, Any]:
        if not ready["ready"]:
            raise Problem(503, "The server is stopping.", retry_after_s=5)
        return {"status": "ready", "models": list(models)}

    @app.get("/metrics", summary="Counts and times for Prometheus", response_class=PlainTextResponse)
    async def metrics() -> PlainTextResponse:
        gauges = {
            "waiting": {name: float(each.waiting) for name, each in batchers.items()},
            "batches": {name: float(each.batches) for name, each in batchers.items()},
        }
        return PlainTextResponse(measurements.text(gauges), media_type="text/plain; version=0.0.4")

    @app.get("/models", summary="Models and what they read")
    async def listed() -> list[dict[str, Any]]:
        return [model.describe() for model in models.values()]


def _add_model(
    app: FastAPI, model: ServedModel, batcher: Batcher, explainer: Batcher | None, config: ServeConfig
) -> None:
    async def predict(request: Request) -> Response:
        why = request.query_params.get("why") in ("1", "true")
        if why and explainer is None:
            raise Problem(
                422, "Only networks that predict classes or quantities of one image, and are no exported models, show "
                "where they looked; leave why out.",
            )  # fmt: skip
        draw = request.query_params.get("draw") in ("1", "true")
        body, read = await _body(request, model, config)
        used, write = batcher, partial(_written, model)
        if why and explainer is not None:
            used, write = explainer, _picture
        elif draw:
            write = _both
        try:
            found = await asyncio.wait_for(
                asyncio.wrap_future(used.submit(body, read=read, write=write)), timeout=config.timeout_s
            )
        except TimeoutError:
            raise Problem(503, f"No prediction within {config.timeout_s:g} s. Try again.", retry_after_s=2) from None
        except DataError as error:
            reason = error.faults[0].what if error.faults else str(error)
            raise Problem(422, f"This cannot be predicted: {reason:.500}") from None
        except LongspanError as error:
            raise Problem(422, f"This cannot be predicted: {error!s:.500}") from None
        if why:
            return Response(found, media_type="image/png")
        if draw:  # which takes long: others are predicted meanwhile
            values, prediction = found
            return Response(await asyncio.to_thread(drawn_png, prediction, values), media_type="image/png")
        return JSONResponse(found)

    app.add_api_route(
        f"/predict/{model.name}", predict, methods=["POST"], summary=f"A prediction of {model.name}",
        response_class=JSONResponse, openapi_extra={"requestBody": _body_schema(model)},
        responses={
            status: {"description": words, "content": {"application/problem+json": {}}}
            for status, words in _REFUSALS.items()
        },
    )  # fmt: skip


def _written(model: ServedModel, values: Any, prediction: Any) -> dict[str, Any]:
    del values
    return result_of(model, prediction)


def _picture(values: Any, pixels: Any) -> bytes:
    del values
    return png_of(pixels)


def _both(values: Any, prediction: Any) -> tuple[Any, Any]:
    return values, prediction


_REFUSALS: dict[int | str, str] = {
    400: "The body cannot be read",
    401: "No key, or a wrong one",
    413: "Larger than the limits",
    415: "Another kind of body is needed",
    422: "A value is missing, unknown or cannot be used",
    429: "Too many requests",
    503: "Too busy, or stopping",
}


def _body_schema(model: ServedModel) -> dict[str, Any]:
    """What a request has to hold, for OpenAPI; made from the columns."""
    schema = {
        "type": "object",
        "properties": {field.name: field.schema for field in model.fields},
        "required": [field.name for field in model.fields],
    }
    files = any(field.kind in ("image", "audio") for field in model.fields)
    content: dict[str, Any] = {"multipart/form-data": {"schema": schema}}
    if not files:
        content["application/json"] = {"schema": {**schema, "additionalProperties": False}}
    elif model.one_file:
        kind = f"{model.fields[0].kind}/*"
        content[kind] = {"schema": {"type": "string", "format": "binary"}}
    return {"required": True, "content": content}


async def _body(
    request: Request, model: ServedModel, config: ServeConfig
) -> tuple[Any, Callable[[Any], dict[str, Any]]]:
    """What a request holds, and what makes values by field of it, within the limits."""
    kind = request.headers.get("content-type", "")
    if not kind.lower().startswith("multipart/form-data"):
        return await request.body(), lambda body: values_of_body(model, body, kind, config)
    known = {field.name: field for field in model.fields}
    async with request.form(max_files=len(known) + 1, max_fields=len(known) + 1) as form:
        unknown = sorted(set(form) - set(known))
        missing = sorted(set(known) - set(form))
        if unknown or missing:
            raise Problem(422, f"Send exactly these fields: {', '.join(known):.1000}.")
        given: dict[str, Any] = {}
        for name, value in form.items():
            given[name] = value if isinstance(value, str) else await value.read()
    return given, lambda form: {name: check_value(known[name], each, config) for name, each in form.items()}


def add_problems(app: FastAPI) -> None:
    """Answer every refusal of an application with a JSON problem."""

    def answer(problem: Problem) -> JSONResponse:
        return JSONResponse(
            problem.to_json(), problem.status, headers=problem.headers, media_type="application/problem+json"
        )

    @app.exception_handler(Problem)
    async def refused(request: Request, error: Problem) -> JSONResponse:
        del request
        return answer(error)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        del request
        return answer(Problem(error.status_code, str(error.detail)))

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, error: ClientDisconnect) -> JSONResponse:
        del request, error
        return answer(Problem(400, "The connection was closed before the end of the body."))

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> JSONResponse:
        del request, error  # which the guard writes to the log
        return answer(Problem(500, FAILED))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        del request
        return answer(Problem(422, f"The request is not valid: {error!s:.300}"))
