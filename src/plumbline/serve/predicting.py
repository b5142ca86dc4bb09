"""From a request's body to results: read, decode, ask the worker, put into words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from plumbline.inference.trained import TrainedModel
from plumbline.serve.answers import ClassShare, NearPicture, PictureAnswer, Problem
from plumbline.serve.limits import Limits
from plumbline.serve.refusals import Refusal
from plumbline.serve.squares import as_data_uri, read_square
from plumbline.serve.uploads import Upload, read_uploads
from plumbline.serve.words import Language
from plumbline.serve.worker import Answer, Question, Worker

P = ParamSpec("P")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Asked:
    """What a request asks of each of its pictures."""

    top: int
    heat_map: bool
    neighbours: int
    language: Language


class Predicting:
    """Answers requests; `readers` decode and encode pictures, beside the thread that has the model."""

    def __init__(
        self, trained: TrainedModel, *, worker: Worker, limits: Limits, readers: ThreadPoolExecutor
    ) -> None:
        self.trained, self.worker, self.limits = trained, worker, limits
        self._readers = readers
        self._uploads = asyncio.Semaphore(limits.uploads)

    async def predict(
        self, body: AsyncIterator[bytes], *, content_type: str, content_length: str | None, asked: Asked
    ) -> tuple[PictureAnswer, ...]:
        """Give one result for each file of a multipart body, in their order.

        Raises Refusal for what `read_uploads` refuses, for a body without files or one that takes too long,
        and where too many pictures wait.
        """
        tasks: list[asyncio.Task[PictureAnswer]] = []
        try:
            # The next file is read when the one before has been decoded: one is held at a time.
            async with self._uploads, asyncio.timeout(self.limits.upload_seconds):
                async for upload in read_uploads(
                    body, content_type=content_type, content_length=content_length, limits=self.limits
                ):
                    square = await self._in_reader(self._square, upload)
                    tasks.append(asyncio.create_task(self._result(upload.name, square, asked)))
        except TimeoutError as error:
            seconds = round(self.limits.upload_seconds)
            raise Refusal("slow", status=408, seconds=seconds) from error
        finally:
            results = await asyncio.gather(*tasks, return_exceptions=True)
        if not results:
            raise Refusal("no_files")
        for one in results:
            if isinstance(one, BaseException):
                raise one
        return tuple(one for one in results if isinstance(one, PictureAnswer))

    async def _in_reader(self, work: Callable[P, Result], *given: P.args, **named: P.kwargs) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._readers, partial(work, *given, **named))

    def _square(self, upload: Upload) -> NDArray[np.uint8] | Refusal:
        try:
            return read_square(
                upload.content, name=upload.name, size=self.trained.stored_size, limits=self.limits
            )
        except Refusal as refusal:
            return refusal

    async def _result(self, name: str, square: NDArray[np.uint8] | Refusal, asked: Asked) -> PictureAnswer:
        if isinstance(square, Refusal):
            problem = Problem(kind=square.kind, message=square.words(asked.language))
            return PictureAnswer(name=name, error=problem)
        question = Question(square, heat_map=asked.heat_map, neighbours=asked.neighbours)
        answer = await asyncio.wrap_future(self.worker.ask(question))
        return await self._in_reader(self._in_words, name, question, answer, asked)

    def _in_words(self, name: str, question: Question, answer: Answer, asked: Asked) -> PictureAnswer:
        order = np.argsort(-answer.probabilities, kind="stable")[: asked.top]
        classes = self.trained.classes
        heat = None if answer.heat_map is None else answer.heat_map.round(3).astype(float).tolist()
        return PictureAnswer(
            name=name,
            classes=tuple(
                ClassShare(name=classes[at], probability=round(float(answer.probabilities[at]), 6))
                for at in order
            ),
            square=as_data_uri(question.square),
            heat_map=None if heat is None else tuple(tuple(row) for row in heat),
            neighbours=tuple(
                NearPicture(
                    index=one.index,
                    class_name=classes[one.label],
                    similarity=round(one.similarity, 4),
                    picture=as_data_uri(one.picture, thumbnail=True),
                )
                for one in answer.neighbours
            ),
        )
