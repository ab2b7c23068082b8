"""`GET /v3/role_assignments`: who holds what where, as granted or as it comes out (`effective`)."""

from collections.abc import Mapping
from typing import Any

from stackyard.kernel.errors import BadRequest
from stackyard.kernel.request.exchange import Request
from stackyard.kernel.work import Work
from stackyard.rooms.identity import render
from stackyard.rooms.identity.errors import denied
from stackyard.rooms.identity.policies import members
from stackyard.rooms.identity.resources.assignment import effective
from stackyard.rooms.identity.resources.assignment.effective import Held, Names, Wanted
from stackyard.rooms.identity.resources.project import store as projects

_SCOPES = ("scope.project.id", "scope.domain.id", "scope.system")
#: Set by being there.
_FLAGS = ("effective", "include_names", "include_subtree")


def list_assignments(work: Work, request: Request) -> dict[str, Any]:
    """The assignments that match the query. Raises BadRequest for filters that exclude one another."""
    query = {name: value for name, value in request.query.items() if value or name in _FLAGS}
    _check(query)
    tree = _is_set(query, "include_subtree")
    action = "list_role_assignments_for_tree" if tree else "list_role_assignments"
    if not work.allows(f"identity:{action}", _policy_target(work, query, tree=tree)):
        raise denied(action)
    wanted = _wanted(work, query, tree=tree)
    found = effective.all_of(work.tx, wanted) if _is_set(query, "effective") else effective.as_granted(work.tx, wanted)
    names = Names(work.tx)
    chosen = [each for each in found if _visible(work, names, each)]
    shown = [_entity(work, each, names if _is_set(query, "include_names") else None) for each in chosen]
    return render.listing(work, "role_assignments", shown, "role_assignments")


def _is_set(query: Mapping[str, str], name: str) -> bool:
    # As in Keystone: `effective=0` is the one way to say no, `effective=False` says yes.
    return name in query and query[name] != "0"


def _check(query: Mapping[str, str]) -> None:
    for first, second in (("user.id", "group.id"), *((a, b) for a in _SCOPES for b in _SCOPES if a < b)):
        if first in query and second in query:
            raise BadRequest(f"Specify {first} or {second}, not both.", field=second)
    if _is_set(query, "effective") and "group.id" in query:
        raise BadRequest("Combining effective and group filter will always result in an empty list.", field="group.id")
    if _is_set(query, "effective") and {"scope.domain.id", "scope.OS-INHERIT:inherited_to"} <= query.keys():
        raise BadRequest(
            "Combining effective, domain and inherited filters will always result in an empty list.",
            field="scope.OS-INHERIT:inherited_to",
        )
    if _is_set(query, "include_subtree") and "scope.project.id" not in query:
        raise BadRequest(
            "scope.project.id must be specified if include_subtree is also specified.", field="scope.project.id"
        )


def _policy_target(work: Work, query: Mapping[str, str], *, tree: bool) -> dict[str, Any]:
    project = projects.by_id(work.tx, query.get("scope.project.id", ""))
    return members(
        {
            "target.domain_id": project.domain_id if tree and project else work.caller.domain_id,
            "target.project.id": project.id if project else None,
            "target.project.domain_id": project.domain_id if project else None,
        }
    )


def _wanted(work: Work, query: Mapping[str, str], *, tree: bool) -> Wanted:
    kind = next((each for each in ("project", "domain", "system") if any(_names(name, each) for name in query)), None)
    place = query.get(f"scope.{kind}.id")
    places = {place} if place else set()
    if tree and place:
        places |= {each.id for each in projects.descendants(work.tx, place)}
    inherited = query.get("scope.OS-INHERIT:inherited_to")
    return Wanted(
        role_id=query.get("role.id"),
        user_id=query.get("user.id"),
        group_id=query.get("group.id"),
        kind=kind,
        places=frozenset(places) if places else None,
        inherited=None if inherited is None else inherited == "projects",
    )


def _names(parameter: str, kind: str) -> bool:
    return parameter in (f"scope.{kind}.id", f"scope.{kind}")


def _visible(work: Work, names: Names, held: Held) -> bool:
    """With the token of a domain, only what is granted in it."""
    if work.caller.domain_id is None:
        return True
    return held.target.type != "system" and names.domain_of(held.target.id) == work.caller.domain_id


def _entity(work: Work, held: Held, names: Names | None) -> dict[str, Any]:
    entity: dict[str, Any] = {"role": {"id": held.role_id}, "scope": _scope(held, names), "links": _links(work, held)}
    if names:
        entity["role"] |= names.role(held.role_id)
    kind, actor_id = ("user", held.user_id) if held.user_id else ("group", held.group_id)
    entity[kind] = {"id": actor_id, **(names.actor(kind, actor_id or "") if names else {})}
    return entity


def _scope(held: Held, names: Names | None) -> dict[str, Any]:
    target = held.target
    if target.type == "system":
        return {"system": {"all": True}}
    scope: dict[str, Any] = {target.type: {"id": target.id, **(names.target(target.type, target.id) if names else {})}}
    if target.inherited:
        scope["OS-INHERIT:inherited_to"] = "projects"
    return scope


def _links(work: Work, held: Held) -> dict[str, str]:
    granted = held.granted
    where = "system" if granted.target_type == "system" else f"{granted.target_type}s/{granted.target_id}"
    path = f"{where}/{granted.actor_type}s/{granted.actor_id}/roles/{granted.role_id}"
    links = {"assignment": render.url(work, f"OS-INHERIT/{path}/inherited_to_projects" if granted.inherited else path)}
    if held.user_id and granted.actor_type == "group":
        links["membership"] = render.url(work, f"groups/{granted.actor_id}/users/{held.user_id}")
    if held.role_id != granted.role_id:
        links["prior_role"] = render.url(work, f"roles/{granted.role_id}")
    return links
