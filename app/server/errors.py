"""What can go wrong: before the server runs, one sentence; in a request, an error in OpenAI's shape."""

import logging

from s3d_core.errors import S3DError, is_out_of_memory

log = logging.getLogger(__name__)

REQUEST, SERVER, BUSY = "invalid_request_error", "server_error", "rate_limit_error"


class ServerError(S3DError):
    """The server cannot start."""


class ApiError(Exception):
    """A request that is answered with an error.

    Attributes:
        status: the HTTP status.
        kind, code, parameter: "type", "code" and "param" of OpenAI's error object.
        headers: HTTP headers of the answer.
    """

    def __init__(
        self,
        message: str,
        status: int = 400,
        kind: str = REQUEST,
        code: str | None = None,
        parameter: str | None = None,
        headers: dict[str, str] | None = None,
    ):
        super().__init__(message)
        self.status, self.kind, self.code, self.parameter = status, kind, code, parameter
        self.headers = headers or {}

    def body(self) -> dict:
        """OpenAI's error object."""
        return {"error": {"message": str(self), "type": self.kind, "param": self.parameter, "code": self.code}}


def as_api_error(error: BaseException) -> ApiError:
    """What to answer for an error. What nobody foresaw goes into the log with its traceback."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, S3DError):
        return ApiError(str(error))
    if is_out_of_memory(error):
        return ApiError("There is not enough memory for this answer; send a shorter prompt.", 503, SERVER)
    log.error("unexpected error in the server", exc_info=error)
    return ApiError(f"Something went wrong ({type(error).__name__}); the server's log says more.", 500, SERVER)
