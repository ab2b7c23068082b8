"""What a provider says about a person, as attributes that mappings name. Pure.

The names are those that Keystone's guides use, so that its mappings carry over: mod_auth_openidc's `OIDC-email`, and
`HTTP_OIDC_EMAIL`, which is what a header of that name is called in Keystone's environment.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from stackyard.kernel.declare.kinds import Text
from stackyard.kernel.errors import BadRequest
from stackyard.rooms.identity.resources.mapping.engine import Assertion

_TEXT = Text(max=None)
_REMOTE_USER = "REMOTE_USER"
#: Headers that say nothing about a person, or would give away what logs somebody in.
_NEVER = {"authorization", "cookie", "x-auth-token", "x-subject-token", "x-service-token"}


def from_claims(claims: Mapping[str, Any], prefix: str) -> Assertion:
    """The claims of a token, each under both of its names; what two of them would be called alike, neither is: people
    may write some of theirs themselves. Raises BadRequest for text that nothing can hold."""
    found: dict[str, list[str]] = {}
    times = Counter(_variable(f"{prefix}{name}") for name in claims)
    for name, value in claims.items():
        if values := [_TEXT.parse(each, name, True) for each in _values(value)]:
            found[f"{prefix}{name}"] = values
            if times[variable := _variable(f"{prefix}{name}")] == 1:
                found[variable] = values
    return found


def _values(value: Any) -> list[str]:
    """Several values of a list, one of anything else; truth is written as mod_auth_openidc does, objects as JSON."""
    match value:
        case None:
            return []
        case bool():
            return [str(int(value))]
        case str():
            return [value]
        case list():
            return [text for each in value for text in _values(each)]
        case dict():
            return [json.dumps(value, ensure_ascii=False, sort_keys=True)]
        case _:
            return [str(value)]


def from_headers(headers: Mapping[str, str], types: Iterable[str], remote_user: str) -> Assertion:
    """Of a request's headers those that attributes of these names mean. HTTP knows no case, and CGI no hyphen, so
    `OIDC-email`, `HTTP_OIDC_EMAIL` and `oidc_email` are the same header; `REMOTE_USER` is the header `remote_user` and
    no other. Raises BadRequest for one that was sent in two ways: one may be a client's, unknown to the proxy."""
    known = [name for name in headers if name not in _NEVER]
    sent = {_variable(name): headers[name] for name in known}
    times = Counter(map(_variable, known))
    found = {each: sent.get(_variable(each)) for each in types if each != _REMOTE_USER}
    for each in found:
        if times[_variable(each)] > 1:
            raise BadRequest(f"The header {each} was sent in {times[_variable(each)]} ways of writing it.", field=each)
    found[_REMOTE_USER] = headers.get(remote_user.lower())
    return {name: _text(value).split(";") for name, value in found.items() if value}


def _variable(name: str) -> str:
    """The name of a header as CGI writes it."""
    return "HTTP_" + re.sub(r"[^A-Z0-9]", "_", name.upper()).removeprefix("HTTP_")


def _text(value: str) -> str:
    """Header values come as Latin-1; providers mean UTF-8 wherever the bytes are that."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value
