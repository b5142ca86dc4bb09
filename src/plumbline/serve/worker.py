"""One thread that has the model: it answers pictures in batches; while none waits, it reads training ones."""

from __future__ import annotations

import queue
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Thread
from time import perf_counter
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from plumbline.data import Dataset
from plumbline.errors import PlumblineError
from plumbline.inference.heat_map import heat_maps
from plumbline.inference.neighbours import FeatureIndex, Neighbour, penultimate_features
from plumbline.inference.trained import TrainedModel, prepare, probabilities, to_batch
from plumbline.progress import Progress
from plumbline.serve.refusals import Refusal
from plumbline.serve.training_pictures import (
    NotWanted,
    TrainingPictures,
    UntilStopped,
    open_training_pictures,
)

_BATCH = 32
_INDEX_SECONDS = 0.1  # a picture that comes while training pictures are read waits no longer than about this
_INDEX_BATCH = 512


@dataclass(frozen=True)
class Question:
    """A picture, uint8 (S, S, 3) with the stored side, and what is asked about it."""

    square: NDArray[np.uint8]
    heat_map: bool = False
    neighbours: int = 0


@dataclass(frozen=True)
class Found:
    """A training picture near the one asked about: its index, class, cosine and pixels (S, S, 3)."""

    index: int
    label: int
    similarity: float
    picture: NDArray[np.uint8]


@dataclass(frozen=True)
class Answer:
    """What the model says: probabilities float32 (C,), the heat map (h, w) from 0 to 1, the nearest first."""

    probabilities: NDArray[np.float32]
    heat_map: NDArray[np.float32] | None
    neighbours: tuple[Found, ...]


@dataclass(frozen=True)
class IndexStatus:
    """How many of the training pictures can be compared with; `reason` says why none can."""

    state: Literal["opening", "reading", "ready", "unavailable"]
    done: int = 0
    total: int = 0
    reason: str = ""


class Worker:
    """Answers questions with a model that no other thread may touch from then on.

    `open_data` gives the data of the run; it is called in a thread of its own, tells its steps to what it is
    given, and raises PlumblineError where they cannot be had. `on_status` is told when the index is ready or
    cannot be made.
    """

    def __init__(
        self,
        trained: TrainedModel,
        *,
        open_data: Callable[[Progress], Dataset],
        waiting: int,
        on_status: Callable[[IndexStatus], None] = lambda _status: None,
    ) -> None:
        self._trained, self._on_status = trained, on_status
        self._open_data = open_data
        self._questions: queue.Queue[tuple[Question, Future[Answer]] | None] = queue.Queue(waiting)
        self._pictures: TrainingPictures | None = None
        self._index = FeatureIndex(capacity=0)
        self._index_batch = 16
        self._stopped = False
        self.status = IndexStatus("opening")
        self._threads = (
            Thread(target=self._work, name="model", daemon=True),
            Thread(target=self._open, name="training pictures", daemon=True),
        )

    def start(self) -> None:
        """Begin to answer, and to open the training pictures."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End after what is under way; questions that wait are never answered.

        No thread is left behind: Python's end would unwind it inside of torch, which aborts the process.
        """
        self._stopped = True
        self._wake()
        for thread in self._threads:
            thread.join()

    def ask(self, question: Question) -> Future[Answer]:
        """Put a question into the queue. Raises Refusal where too many wait."""
        future: Future[Answer] = Future()
        try:
            self._questions.put_nowait((question, future))
        except queue.Full as error:
            raise Refusal("busy", status=503, retry_after=2) from error
        return future

    def _open(self) -> None:
        try:
            dataset = self._open_data(UntilStopped(lambda: self._stopped))
            self._pictures = open_training_pictures(dataset, trained=self._trained)
        except NotWanted:
            return
        except Exception as error:  # answers go on without neighbours
            self._tell(IndexStatus("unavailable", reason=str(error)))
            return
        self._index = FeatureIndex(capacity=len(self._pictures.indices))
        self.status = IndexStatus("reading", total=len(self._pictures.indices))
        self._wake()

    def _wake(self) -> None:
        if self._questions.empty():
            self._questions.put(None)

    def _tell(self, status: IndexStatus) -> None:
        self.status = status
        self._on_status(status)

    def _work(self) -> None:
        while not self._stopped:
            batch = self._next_batch(wait=self.status.state != "reading")
            if batch:
                self._answer(batch)
            elif self.status.state == "reading":
                self._read_more()

    def _next_batch(self, *, wait: bool) -> list[tuple[Question, Future[Answer]]]:
        batch: list[tuple[Question, Future[Answer]]] = []
        try:
            while len(batch) < _BATCH:
                one = self._questions.get(block=wait and not batch)
                if one is None:
                    break
                if one[1].set_running_or_notify_cancel():
                    batch.append(one)
        except queue.Empty:
            pass
        return batch

    def _answer(self, batch: list[tuple[Question, Future[Answer]]]) -> None:
        try:
            answers = self._answers([question for question, _ in batch])
        except Exception as error:  # whoever asked is told, and the thread lives on
            for _, future in batch:
                future.set_exception(error)
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            future.set_result(answer)

    def _answers(self, questions: list[Question]) -> list[Answer]:
        images = to_batch([question.square for question in questions])
        most = max(question.neighbours for question in questions)
        near: list[tuple[Neighbour, ...]] = [()] * len(questions)
        if most and len(self._index):
            with penultimate_features(self._trained.model) as features:
                shares = probabilities(self._trained, images=images)
            near = self._index.nearest(features[0], count=most)
        else:
            shares = probabilities(self._trained, images=images)
        maps = self._heat_maps(questions, images=images, classes=shares.argmax(dim=1))
        return [
            Answer(shares[at].numpy(), maps.get(at), self._found(near[at][: question.neighbours]))
            for at, question in enumerate(questions)
        ]

    def _heat_maps(
        self, questions: list[Question], *, images: torch.Tensor, classes: torch.Tensor
    ) -> dict[int, NDArray[np.float32]]:
        wanted = [at for at, question in enumerate(questions) if question.heat_map]
        if not wanted:
            return {}
        seen = prepare(self._trained, images=images[wanted])
        try:
            maps = heat_maps(self._trained.model, images=seen, classes=classes[wanted])
        except PlumblineError:  # a network without maps: the answer is whole without it
            return {}
        return dict(zip(wanted, maps.numpy(), strict=True))

    def _found(self, near: tuple[Neighbour, ...]) -> tuple[Found, ...]:
        if self._pictures is None or not near:
            return ()
        where = torch.tensor([one.index for one in near])
        images, labels = self._pictures.images(where), self._pictures.labels(where)
        return tuple(
            Found(one.index, int(label), one.similarity, image.permute(1, 2, 0).contiguous().numpy())
            for one, image, label in zip(near, images, labels, strict=True)
        )

    def _read_more(self) -> None:
        pictures, began, done = self._pictures, perf_counter(), len(self._index)
        if pictures is None:
            return
        where = pictures.indices[done : done + self._index_batch]
        try:
            with penultimate_features(self._trained.model) as features:
                probabilities(self._trained, images=pictures.images(where))
        except Exception as error:  # answers go on without neighbours
            self._tell(IndexStatus("unavailable", reason=str(error)))
            return
        self._index.add(features[0], images=where)
        done, total = len(self._index), self.status.total
        aim = self._index_batch * _INDEX_SECONDS / (perf_counter() - began)
        self._index_batch = max(1, min(_INDEX_BATCH, round(aim), 2 * self._index_batch))
        if done < total:
            self.status = IndexStatus("reading", done=done, total=total)
        else:
            self._tell(IndexStatus("ready", done=done, total=total))
