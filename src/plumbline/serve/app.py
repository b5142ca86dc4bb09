"""The application: page, documentation and JSON endpoint over one worker."""

# No `from __future__ import annotations`: FastAPI reads the annotations of the routes, and the types in them
# are imported inside the functions.
import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

from plumbline.inference.standing import standing
from plumbline.serve.answers import (
    HealthAnswer,
    IndexAnswer,
    LimitsAnswer,
    ModelAnswer,
    PredictAnswer,
    Problem,
    Refused,
)
from plumbline.serve.guard import Guard
from plumbline.serve.limits import Limits
from plumbline.serve.pages import asset, documentation, page
from plumbline.serve.predicting import Asked, Predicting
from plumbline.serve.refusals import Refusal
from plumbline.serve.words import Language, choose_language
from plumbline.serve.worker import Worker

if TYPE_CHECKING:
    from fastapi import FastAPI

    from plumbline.inference.trained import TrainedModel

_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Refused, "description": words}
    for status, words in {
        400: "malformed, or without files",
        403: "another site's page asked",
        408: "the files did not arrive in time",
        413: "too many bytes or files; nothing is read beyond the limit",
        415: "no multipart/form-data",
        421: "a Host header that is not this server's",
        429: "too many requests; Retry-After says when to try again",
        503: "too many pictures wait; Retry-After says when to try again",
    }.items()
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "files": {"type": "array", "items": {"type": "string", "format": "binary"}}
                    },
                }
            }
        },
    }
}


def create_app(trained: "TrainedModel", *, worker: Worker, host: str, limits: Limits) -> "FastAPI":
    """Make the application for a trained run.

    Args:
        trained: what is shown of it; the worker runs its model.
        worker: started and stopped with the application.
        host: the name or address that the server is asked to listen on; it may stand in Host headers.
        limits: of sizes and rates.

    Returns:
        An ASGI application with `/`, `/docs`, `/openapi.json`, and `/api/health`, `/api/model`,
        `/api/predict`.

    """
    from fastapi import FastAPI

    readers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="pictures")
    predicting = Predicting(trained, worker=worker, limits=limits, readers=readers)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        worker.start()
        yield
        await asyncio.to_thread(worker.stop)
        readers.shutdown(wait=False, cancel_futures=True)

    app = FastAPI(
        title=f"plumbline: {trained.record.title}",
        version="1",
        summary="Classes, calibrated probabilities, heat maps and nearest training pictures.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    _add_errors(app)
    _add_api(app, predicting=predicting)
    _add_pages(app, trained=trained, limits=limits)
    app.add_middleware(Guard, host=host, limits=limits)
    return app


def _add_api(app: "FastAPI", *, predicting: Predicting) -> None:
    from fastapi import Query, Request

    @app.get("/api/health", response_description="it is")
    async def health() -> HealthAnswer:
        """Tell that the server is there."""
        return HealthAnswer()

    @app.get("/api/model", response_description="what answers")
    async def model() -> ModelAnswer:
        """Tell which model answers, what it knows, and what is taken."""
        return _model_answer(predicting)

    @app.post(
        "/api/predict",
        responses=_REFUSALS,
        openapi_extra=_BODY,
        response_description="a result for each file",
    )
    async def predict(
        request: Request,
        top: Annotated[int, Query(ge=1, le=10_000, description="how many classes to give")] = 5,
        heat_map: Annotated[bool, Query(description="give a heat map of each picture")] = False,  # noqa: FBT002
        neighbours: Annotated[int, Query(ge=0, le=24, description="how many training pictures to give")] = 0,
        lang: Annotated[Language | None, Query(description="of messages; else Accept-Language")] = None,
    ) -> PredictAnswer:
        """Classify one or several pictures: form fields with a file name, such as `files`.

        Each file has a result of its own: a picture that cannot be read has an `error`, and the others are
        answered. Pictures are held in memory while they are looked at, and never stored.
        """
        language = choose_language(lang, accepted=request.headers.get("accept-language", ""))
        results = await predicting.predict(
            request.stream(),
            content_type=request.headers.get("content-type", ""),
            content_length=request.headers.get("content-length"),
            asked=Asked(top=top, heat_map=heat_map, neighbours=neighbours, language=language),
        )
        return PredictAnswer(
            results=results,
            calibrated=predicting.trained.is_calibrated,
            training_pictures=IndexAnswer(**vars(predicting.worker.status)),
        )


def _add_pages(app: "FastAPI", *, trained: "TrainedModel", limits: Limits) -> None:
    from fastapi import Request
    from fastapi.responses import HTMLResponse, Response

    @app.get("/", include_in_schema=False)
    async def show_page(request: Request, lang: str | None = None) -> HTMLResponse:
        language = choose_language(lang, accepted=request.headers.get("accept-language", ""))
        return HTMLResponse(page(trained, language=language, limits=limits))

    @app.get("/docs", include_in_schema=False)
    async def show_documentation() -> HTMLResponse:
        return HTMLResponse(documentation(app.openapi()))

    @app.get("/assets/{name}", include_in_schema=False)
    async def show_asset(name: str) -> Response:
        found = asset(name)
        return Response(status_code=404) if found is None else Response(found.content, media_type=found.kind)


def _add_errors(app: "FastAPI") -> None:
    from fastapi import Request
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import JSONResponse, Response
    from starlette.exceptions import HTTPException
    from starlette.requests import ClientDisconnect

    def answer(problem: Problem, *, status: int, headers: dict[str, str] | None = None) -> JSONResponse:
        return JSONResponse({"error": problem.model_dump()}, status_code=status, headers=headers)

    async def refused(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Refusal)  # noqa: S101
        asked = request.query_params.get("lang")
        language = choose_language(asked, accepted=request.headers.get("accept-language", ""))
        # What has not been read of the body is not waited for.
        headers = {"Connection": "close"}
        if error.retry_after is not None:
            headers["Retry-After"] = str(error.retry_after)
        return answer(
            Problem(kind=error.kind, message=error.words(language)), status=error.status, headers=headers
        )

    async def missing(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)  # noqa: S101
        return answer(Problem(kind="http", message=str(error.detail)), status=error.status_code)

    async def invalid(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        first = error.errors()[0]
        words = f"{first['loc'][-1]}: {first['msg']}"
        return answer(Problem(kind="parameter", message=words), status=422)

    async def gone(_request: Request, _error: Exception) -> Response:
        return Response(status_code=400)  # nobody reads it: the browser took its picture back

    app.add_exception_handler(ClientDisconnect, gone)
    app.add_exception_handler(Refusal, refused)
    app.add_exception_handler(HTTPException, missing)
    app.add_exception_handler(RequestValidationError, invalid)


def _model_answer(predicting: Predicting) -> ModelAnswer:
    trained, limits = predicting.trained, predicting.limits
    score = standing(trained.record, weights=trained.weights)
    return ModelAnswer(
        title=trained.record.title,
        model=trained.record.recipe.model.name,
        dataset=trained.record.dataset.name,
        classes=trained.classes,
        weights=trained.weights,
        image_size=trained.stored_size,
        calibrated=trained.is_calibrated,
        temperature=trained.temperature,
        test_accuracy=None if score is None else score.accuracy,
        test_count=None if score is None else score.count,
        training_pictures=IndexAnswer(**vars(predicting.worker.status)),
        limits=LimitsAnswer(
            file_bytes=limits.file_bytes,
            files=limits.files,
            pixels=limits.pixels,
            requests_per_second=limits.rate,
        ),
    )
