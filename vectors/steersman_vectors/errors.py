"""The error tree, grouped by who must act.

    SteersmanError
    ├── CallerError     the request or command is wrong; the caller can fix it   (HTTP 4xx)
    ├── OperatorError   the deployment is wrong; whoever runs it can fix it      (HTTP 503)
    └── InternalError   Steersman is wrong; we must fix it                       (HTTP 500)

Every message says what happened, what was got, what was expected and how to fix it.
"""

from __future__ import annotations


class SteersmanError(Exception):
    """Base of all errors raised on purpose; `code` is stable, the message is for people."""

    http_status: int = 500

    def __init__(self, message: str, *, code: str, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        """Pickles whole: errors cross process boundaries between server and engine."""
        return _rebuild, (type(self), self.message, self.code, self.param)


class CallerError(SteersmanError):
    """The request, file or command line is wrong; nothing was done."""

    http_status = 400


class OperatorError(SteersmanError):
    """The deployment cannot do this now (registry down, model changed, data directory held)."""

    http_status = 503


class InternalError(SteersmanError):
    """A promise inside Steersman was broken."""

    http_status = 500


def _rebuild(
    kind: type[SteersmanError], message: str, code: str, param: str | None
) -> SteersmanError:
    return kind(message, code=code, param=param)
