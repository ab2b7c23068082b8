"""What a request for a token says, read strictly."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stackyard.kernel.declare.kinds import Boolean, Either, ListOf, Object, OneOf, invalid
from stackyard.kernel.errors import BadRequest, Unauthorized
from stackyard.rooms.identity.resources.authentication.methods import METHODS
from stackyard.rooms.identity.resources.authentication.named import DOMAIN, TEXT, Named, Naming, named, named_domain
from stackyard.rooms.identity.resources.token.claims import Kind as ScopeKind

_TRUST = "OS-TRUST:trust"
_SCOPE = Object(
    {
        "project": Naming(),
        "domain": DOMAIN,
        "system": Object({"all": Boolean()}),
        "unscoped": Object({}),
        _TRUST: Object({"id": TEXT}, required=["id"]),
    }
)
_AUTH = Object(
    {
        # Every method brings a member of its own, which the method reads.
        "identity": Object({"methods": ListOf(TEXT)}, required=["methods"], extra=True),
        "scope": Either(OneOf("unscoped"), _SCOPE, said='"unscoped" or an object'),
    },
    required=["identity"],
)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """`methods`: what each method named has read. `scope` is None when the request leaves it to the user's default
    project. trust_id: the trust whose scope is wanted."""

    methods: Mapping[str, Any]
    scope: ScopeKind | None = None
    where: Named | None = None
    trust_id: str | None = None


def read(raw: Any) -> Wanted:
    """The body of a request for a token. Raises BadRequest naming the field, Unauthorized for a method not offered."""
    if not isinstance(raw, dict) or "auth" not in raw:
        raise BadRequest("Expecting to find auth in request body.", field="auth")
    auth: dict[str, Any] = _AUTH.parse(raw["auth"], "auth", True)
    methods = _methods(auth["identity"])
    scope, where = _scope(auth.get("scope"))
    return Wanted(methods=methods, scope=scope, where=where, trust_id=_trust(auth.get("scope")))


def _methods(identity: dict[str, Any]) -> dict[str, Any]:
    names = tuple(dict.fromkeys(identity["methods"]))
    if not names:
        raise Unauthorized("No authentication method was named.", remedy=f"Offered are {', '.join(METHODS)}.")
    for name in names:
        if name not in identity:
            raise BadRequest(f"Expecting to find {name} in identity.", field=f"auth.identity.{name}")
        if name not in METHODS:
            raise Unauthorized(f"Attempted to authenticate with an unsupported method: {name}.")
    return {name: METHODS[name].read(identity[name], f"auth.identity.{name}") for name in names}


def _trust(scope: Any) -> str | None:
    if not isinstance(scope, dict) or _TRUST not in scope:
        return None
    if len(scope) != 1:
        raise invalid("auth.scope", "names one of project, domain, system and OS-TRUST:trust.")
    return str(scope[_TRUST]["id"])


def _scope(scope: Any) -> tuple[ScopeKind | None, Named | None]:
    if scope is None or _trust(scope):
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
        return "domain", named_domain(scope["domain"], "auth.scope.domain")
    return "project", named(scope["project"], "auth.scope.project")
