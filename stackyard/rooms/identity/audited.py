"""The identity room in the audit trail: Keystone's event types, and who it was that tried to log in.

Source: Keystone's "Event Notifications". One place for all of the room, so that no rule needs to think of it.
"""

from collections.abc import Mapping
from typing import Any

from stackyard.kernel.declare.audited import Asked, Told, made

#: Requests that make a token or what is good for one elsewhere: their path is the whole of what tells them apart.
_AUTHENTICATE = (
    "/v3/auth/tokens", "/v3/OS-OAUTH2/token", "/v3/ec2tokens", "/v3/s3tokens", "/v3/auth/OS-FEDERATION/saml2",
    "/v3/auth/OS-FEDERATION/saml2/ecp",
)  # fmt: skip
_DONE = {"create": "created", "update": "updated", "delete": "deleted"}
_BY_METHOD = {"POST": "created", "PUT": "created", "PATCH": "updated", "DELETE": "deleted"}
_TYPES = {
    "user": "data/security/account/user", "group": "data/security/group", "project": "data/security/project",
    "domain": "data/security/domain", "role": "data/security/role", "trust": "data/security/trust",
    "region": "data/security/region", "endpoint": "data/security/endpoint", "service": "data/security/service",
    "policy": "data/security/policy", "credential": "data/security/credential",
    "application_credential": "data/security/credential", "role_assignment": "data/security/account/user",
}  # fmt: skip
#: Resources by the collection in a path, for routes that belong to no declared resource.
_COLLECTIONS = {
    "users": "user", "groups": "group", "projects": "project", "domains": "domain", "roles": "role",
    "regions": "region", "credentials": "credential", "trusts": "trust", "policies": "policy",
    "endpoint_groups": "endpoint_group", "limits": "limit", "registered_limits": "registered_limit",
    "consumers": "consumer", "endpoints": "endpoint", "tokens": "token", "access_rules": "access_rule",
}  # fmt: skip


def tell(asked: Asked) -> Told | None:
    """What the trail tells of a request; None for one that only reads."""
    if (asked.path in _AUTHENTICATE and asked.method == "POST") or _is_federated_log_in(asked.path):
        return _authentication(asked)
    if asked.method in ("GET", "HEAD"):
        return None
    if "role_id" in asked.params and "actor_id" in asked.params:
        return _assignment(asked)
    if asked.resource is not None:
        done, target = _DONE.get(asked.verb or "", "updated"), asked.params.get("id")
        return _change(asked.resource, done, target or made(asked.answer))
    return _by_path(asked)


def _is_federated_log_in(path: str) -> bool:
    """Whether a path of federation makes a token, or begins a log-in in a browser; GET does that as well as POST."""
    return ("/protocols/" in path and path.endswith("/auth")) or "/websso" in path


def _change(resource: str, done: str, target: str | None, **details: Any) -> Told:
    return Told(
        event_type=f"identity.{resource}.{done}", action=f"{done}.{resource}",
        target_type=_TYPES.get(resource, f"data/security/{resource}"), target_id=target,
        details={"resource_info": target, **details},
    )  # fmt: skip


def _by_path(asked: Asked) -> Told | None:
    """A route of its own: named by the first collection in its path; what is below an object of it, changes that."""
    words = [word for word in asked.path.split("/") if word in _COLLECTIONS]
    if not words:
        return None
    ids = list(asked.params.values())
    below = asked.path.count("{") > 1 or not asked.path.rstrip("/").endswith((words[0], "}"))
    done = "updated" if below else _BY_METHOD[asked.method]
    return _change(_COLLECTIONS[words[0]], done, ids[0] if ids else made(asked.answer))


def _assignment(asked: Asked) -> Told:
    path, done = asked.path, "deleted" if asked.method == "DELETE" else "created"
    where = "project" if "/projects/" in path else "domain" if "/domains/" in path else "system"
    details = {
        "role": asked.params["role_id"], "group" if "/groups/" in path else "user": asked.params["actor_id"],
        where: asked.params.get("target_id", "all"), "inherited_to_projects": path.endswith("inherited_to_projects"),
    }  # fmt: skip
    told = _change("role_assignment", done, asked.params["actor_id"])
    return Told(
        event_type=told.event_type, action=told.action, target_type=told.target_type, target_id=told.target_id,
        details=details,
    )  # fmt: skip


def _authentication(asked: Asked) -> Told:
    known = _inside(asked.answer, "token", "user")
    who = known if known.get("id") else _claimed(asked.given)
    domain = _mapping(who.get("domain"))
    initiator = {
        "id": _text(who.get("id")), "name": _text(who.get("name")),
        "domain_id": _text(domain.get("id")), "domain_name": _text(domain.get("name")),
    }  # fmt: skip
    return Told(
        event_type="identity.authenticate", action="authenticate", target_type="service/security/account/user",
        target_id=initiator["id"], initiator=initiator,
        details={"methods": [each for each in _methods(asked.given) if isinstance(each, str)][:8]},
    )  # fmt: skip


def _claimed(given: Any) -> Mapping[str, Any]:
    """Who somebody said to be who was not let in. Whatever was sent, it is read with care."""
    identity = _inside(given, "auth", "identity")
    for method in ("password", "totp", "application_credential"):
        user = _inside(identity, method, "user")
        if user:
            return user
    return {}


def _methods(given: Any) -> list[Any]:
    methods = _inside(given, "auth", "identity").get("methods")
    return methods if isinstance(methods, list) else []


def _inside(value: Any, *names: str) -> Mapping[str, Any]:
    for name in names:
        value = _mapping(value).get(name)
    return _mapping(value)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str | None:
    return value[:255] if isinstance(value, str) else None
