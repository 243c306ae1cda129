"""Refusals of admission with an HTTP status of their own."""

from __future__ import annotations

from steersman_vectors.errors import CallerError


class NotAllowedError(CallerError):
    """The caller is known, and may not do this."""

    http_status = 403


class UnauthenticatedError(CallerError):
    """Nobody knows who is calling."""

    http_status = 401


class NotFoundError(CallerError):
    """What the request names does not exist for this caller."""

    http_status = 404


class TooManyRequestsError(CallerError):
    """The tenant's own limit is reached; later the same request succeeds."""

    http_status = 429

    def __init__(self, message: str, *, code: str, retry_after_s: float) -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s
