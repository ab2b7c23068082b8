"""What a provider says about a person, as attributes that mappings name. Pure.

The names are those that Keystone's guides use, so that its mappings carry over: mod_auth_openidc's `OIDC-email`, and
`HTTP_OIDC_EMAIL`, which is what a header of that name is called in Keystone's environment.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from stackyard.kernel.declare.kinds import Text
from stackyard.rooms.identity.resources.mapping.engine import Assertion

_TEXT = Text(max=None)
#: Headers that say nothing about a person, or would give away what logs somebody in.
_NEVER = {"authorization", "cookie", "x-auth-token", "x-subject-token", "x-service-token"}


def from_claims(claims: Mapping[str, Any], prefix: str) -> Assertion:
    """The claims of a token, each under both of its names. Raises BadRequest for text that nothing can hold."""
    found: dict[str, list[str]] = {}
    for name, value in claims.items():
        if values := [_TEXT.parse(each, name, True) for each in _values(value)]:
            found[f"{prefix}{name}"] = found[_variable(f"{prefix}{name}")] = values
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
    `OIDC-email`, `HTTP_OIDC_EMAIL` and `oidc_email` are the same header; `REMOTE_USER` is the header `remote_user`."""
    sent = {_variable(name): value for name, value in headers.items() if name not in _NEVER}
    if name := headers.get(remote_user.lower()):
        sent["REMOTE_USER"] = name
    found = {each: sent.get(each, sent.get(_variable(each))) for each in types}
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
