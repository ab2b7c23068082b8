"""Questions of which nothing is kept: what has to be known of one when its answer comes is in its id, sealed."""

from datetime import datetime

import msgspec

from stackyard.kernel.secret import CloudSecret

#: Seconds that somebody may take to log in at the provider.
PATIENCE = 600


class _Question(msgspec.Struct, frozen=True, array_like=True):
    provider_id: str
    protocol_id: str
    expires: int


def new_id(secret: CloudSecret, provider_id: str, protocol_id: str, now: datetime) -> str:
    """The id of a question that is put to a provider now. XML's ids have no `=` and begin with a letter or `_`."""
    asked = _Question(provider_id, protocol_id, int(now.timestamp()) + PATIENCE)
    return "_" + secret.seal(msgspec.json.encode(asked)).rstrip("=")


def was_asked(secret: CloudSecret, question_id: str, provider_id: str, protocol_id: str, now: datetime) -> bool:
    """Whether that is the id of a question to this provider whose answer is still waited for."""
    sealed = question_id.removeprefix("_")
    try:
        found = msgspec.json.decode(secret.open(sealed + "=" * (-len(sealed) % 4)), type=_Question)
    except (ValueError, msgspec.DecodeError):
        return False
    return (found.provider_id, found.protocol_id) == (provider_id, protocol_id) and now.timestamp() < found.expires
