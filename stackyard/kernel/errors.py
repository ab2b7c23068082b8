"""Every refusal the API can give: a status, what is wrong, with which field or object, and what to do.

Rules raise these; the request chain renders them in the dialect of the service that was asked.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stackyard.kernel.declare.versions import Version


class ApiError(Exception):
    """A refusal with a status and a reason that the caller may read.

    `detail` says what is wrong with which object; `remedy` what to do about it; `field` the dotted path of the input
    at fault; `kind` overrides the machine-readable name some dialects carry (Neutron's `type`); `noted` is not for the
    caller, but for the audit trail, as members of the event; `inward` is the rest of the reason, for operators and logs
    alone: it may tell how the cloud is built. `request_id` and `version` are those of the request that
    is refused, once a dialect is to put it into words.
    """

    status = 500
    title = "Internal Server Error"

    def __init__(
        self,
        detail: str,
        *,
        field: str | None = None,
        remedy: str | None = None,
        kind: str | None = None,
        headers: Mapping[str, str] | None = None,
        noted: Mapping[str, Any] | None = None,
        inward: str = "",
    ) -> None:
        super().__init__(f"{detail.rstrip('.')}: {inward}" if inward else detail)
        self.detail = detail
        self.field = field
        self.remedy = remedy
        self.kind = kind or type(self).__name__
        self.headers = dict(headers or {})
        self.noted = dict(noted or {})
        self.inward = inward
        self.request_id = ""
        self.version: Version | None = None

    @property
    def message(self) -> str:
        """The one sentence (or two) shown to the caller."""
        return f"{self.detail} {self.remedy}" if self.remedy else self.detail

    @property
    def for_operators(self) -> str:
        """The message with all that is known."""
        return f"{self} {self.remedy}" if self.remedy else str(self)


class BadRequest(ApiError):
    """400: the request itself is wrong."""

    status = 400
    title = "Bad Request"


class Unauthorized(ApiError):
    """401: no valid token came with a request that needs one."""

    status = 401
    title = "Unauthorized"


class Forbidden(ApiError):
    """403: the caller is known and may not do this."""

    status = 403
    title = "Forbidden"


class NotFound(ApiError):
    """404: there is no such object, or the caller may not know of it."""

    status = 404
    title = "Not Found"


class MethodNotAllowed(ApiError):
    """405: the path exists, the method does not."""

    status = 405
    title = "Method Not Allowed"


class NotAcceptable(ApiError):
    """406: the requested microversion is outside the range offered."""

    status = 406
    title = "Not Acceptable"


class RequestTimeout(ApiError):
    """408: the client promised a body and did not send it in time."""

    status = 408
    title = "Request Timeout"


class Conflict(ApiError):
    """409: the object's state, or another object, stands in the way."""

    status = 409
    title = "Conflict"


class QuotaExceeded(Conflict):
    """The project has used up its quota of this kind (409 or 403, as the dialect says)."""

    title = "Quota Exceeded"


class Gone(ApiError):
    """410: what is asked for was there and is kept no longer."""

    status = 410
    title = "Gone"


class PreconditionFailed(ApiError):
    """412: the If-Match or revision asked for is not the current one."""

    status = 412
    title = "Precondition Failed"


class PayloadTooLarge(ApiError):
    """413: the body is larger than this route takes."""

    status = 413
    title = "Request Entity Too Large"


class UnsupportedMediaType(ApiError):
    """415: the body's media type is not one this route reads."""

    status = 415
    title = "Unsupported Media Type"


class RangeNotSatisfiable(ApiError):
    """416: the byte range lies outside the object."""

    status = 416
    title = "Requested Range Not Satisfiable"


class TooManyRequests(ApiError):
    """429: the caller must slow down; `Retry-After` says for how long."""

    status = 429
    title = "Too Many Requests"


class NotImplementedYet(ApiError):
    """501: the real service has this route, Stackyard has it not yet."""

    status = 501
    title = "Not Implemented"


class Unavailable(ApiError):
    """503: an engine or node that is needed does not answer; trying again later can help."""

    status = 503
    title = "Service Unavailable"


class InsufficientStorage(ApiError):
    """507: the disk behind the upload is full; nothing was kept."""

    status = 507
    title = "Insufficient Storage"
