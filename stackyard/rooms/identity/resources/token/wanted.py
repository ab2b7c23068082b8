"""What a request for a token says, read strictly."""

from dataclasses import dataclass
from typing import Any

from stackyard.kernel.declare.kinds import Boolean, Either, Kind, ListOf, Object, OneOf, Text, invalid
from stackyard.kernel.errors import BadRequest, Unauthorized
from stackyard.rooms.identity.passwords import MAX_LENGTH
from stackyard.rooms.identity.resources.token.claims import Kind as ScopeKind

_TEXT = Text(max=255)
_DOMAIN = Object({"id": _TEXT, "name": _TEXT})
_PASSWORD = Object(
    {"user": Object({"id": _TEXT, "name": _TEXT, "password": Text(max=MAX_LENGTH), "domain": _DOMAIN})},
    required=["user"],
)
_TOKEN = Object({"id": Text(max=8192)}, required=["id"])
_SCOPE = Object(
    {
        "project": Object({"id": _TEXT, "name": _TEXT, "domain": _DOMAIN}),
        "domain": _DOMAIN,
        "system": Object({"all": Boolean()}),
        "unscoped": Object({}),
    }
)
_AUTH = Object(
    {
        # Methods not offered bring members of their own: those are answered with 401, not taken for a mistake.
        "identity": Object(
            {"methods": ListOf(_TEXT), "password": _PASSWORD, "token": _TOKEN}, required=["methods"], extra=True
        ),
        "scope": Either(OneOf("unscoped"), _SCOPE, said='"unscoped" or an object'),
    },
    required=["identity"],
)
OFFERED = ("password", "token")


@dataclass(frozen=True, kw_only=True)
class Named:
    """A user or project by id, or by name within a domain given by id or name; a domain by id or name."""

    id: str | None = None
    name: str | None = None
    domain_id: str | None = None
    domain_name: str | None = None


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """`scope` is None when the request leaves it to the user's default project."""

    methods: tuple[str, ...]
    user: Named | None = None
    password: str = ""
    token: str | None = None
    scope: ScopeKind | None = None
    where: Named | None = None


def read(raw: Any) -> Wanted:
    """The body of a request for a token. Raises BadRequest naming the field, Unauthorized for a method not offered."""
    if not isinstance(raw, dict) or "auth" not in raw:
        raise BadRequest("Expecting to find auth in request body.", field="auth")
    auth = _parse(_AUTH, raw["auth"], "auth")
    identity = auth["identity"]
    methods = tuple(dict.fromkeys(identity["methods"]))
    if not methods:
        raise Unauthorized("No authentication method was named.", remedy=f"Offered are {', '.join(OFFERED)}.")
    for method in methods:
        if method not in OFFERED:
            raise Unauthorized(f"Attempted to authenticate with an unsupported method: {method}.")
        if method not in identity:
            raise BadRequest(f"Expecting to find {method} in identity.", field=f"auth.identity.{method}")
    user = identity["password"]["user"] if "password" in methods else None
    if user is not None and "password" not in user:
        raise invalid("auth.identity.password.user.password", "is required.")
    scope, where = _scope(auth.get("scope"))
    return Wanted(
        methods=methods,
        user=_named(user, "auth.identity.password.user") if user is not None else None,
        password=user["password"] if user is not None else "",
        token=identity["token"]["id"] if "token" in methods else None,
        scope=scope,
        where=where,
    )


def _parse(kind: Kind, value: Any, path: str) -> dict[str, Any]:
    parsed: dict[str, Any] = kind.parse(value, path, True)
    return parsed


def _scope(scope: Any) -> tuple[ScopeKind | None, Named | None]:
    if scope is None:
        return None, None
    if scope == "unscoped" or "unscoped" in scope:
        return "unscoped", None
    if len(scope) != 1:
        raise invalid("auth.scope", "names one of project, domain and system.")
    if "system" in scope:
        if scope["system"].get("all") is not True:
            raise invalid("auth.scope.system", 'only {"all": true} is known.')
        return "system", None
    if "domain" in scope:
        return "domain", _domain(scope["domain"], "auth.scope.domain")
    return "project", _named(scope["project"], "auth.scope.project")


def _domain(given: dict[str, Any], path: str) -> Named:
    if "id" not in given and "name" not in given:
        raise invalid(path, "id or name must be present.")
    return Named(id=given.get("id"), name=given.get("name"))


def _named(given: dict[str, Any], path: str) -> Named:
    if "id" in given:
        return Named(id=given["id"])
    if "name" not in given:
        raise invalid(path, "id or name must be present.")
    if "domain" not in given:
        raise invalid(f"{path}.domain", "must be present with a name.")
    domain = _domain(given["domain"], f"{path}.domain")
    return Named(name=given["name"], domain_id=domain.id, domain_name=domain.name)
