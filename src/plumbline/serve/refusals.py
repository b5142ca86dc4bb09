"""What is refused: a kind that programs read, and words in the language of who asked."""

from __future__ import annotations

from typing import Any

from plumbline.errors import PlumblineError
from plumbline.serve.words import Language, say


class Refusal(PlumblineError):  # noqa: N818  # most are no error of ours
    """A request or a picture that is not taken.

    Attributes:
        kind: one of the words under "refused_" in the table of words.
        status: of the answer, where the whole request is refused.
        retry_after: seconds after which it may be tried again.

    """

    def __init__(
        self,
        kind: str,
        /,
        *,
        status: int = 400,
        retry_after: int | None = None,
        **values: Any,  # noqa: ANN401
    ) -> None:
        self.kind, self.status, self.retry_after, self._values = kind, status, retry_after, values
        super().__init__(self.words("en"))

    def words(self, language: Language) -> str:
        """Say it."""
        return say(f"refused_{self.kind}", language=language, **self._values)
