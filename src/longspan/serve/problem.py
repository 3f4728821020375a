"""What a request that cannot be answered gets: a JSON problem that says how to mend it (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, final

__all__ = ["Problem"]


@final
class Problem(Exception):  # noqa: N818 - RFC 9457 calls it so
    """A refused request."""

    def __init__(self, status: int, detail: str, *, retry_after_s: int | None = None) -> None:
        """Keep what is sent.

        Args:
            status: Of HTTP.
            detail: What was wrong and what to do, in a sentence.
            retry_after_s: When the same request may succeed.
        """
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.retry_after_s = retry_after_s

    def to_json(self) -> dict[str, Any]:
        """The body."""
        return {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the answer."""
        headers = {} if self.retry_after_s is None else {"retry-after": str(self.retry_after_s)}
        return {**headers, "www-authenticate": "Bearer"} if self.status == HTTPStatus.UNAUTHORIZED else headers
