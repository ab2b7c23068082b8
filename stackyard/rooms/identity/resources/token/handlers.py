"""The routes below /v3/auth: headers carry the token, so no declaration fits."""

from collections.abc import Sequence
from typing import Any

from stackyard.kernel.declare.kinds import Boolean
from stackyard.kernel.errors import Gone, NotFound, Unauthorized
from stackyard.kernel.request.exchange import Reply, Request
from stackyard.kernel.work import Work
from stackyard.rooms.identity import render
from stackyard.rooms.identity.errors import denied
from stackyard.rooms.identity.resources.assignment import store as assignments
from stackyard.rooms.identity.resources.domain import resource as domains
from stackyard.rooms.identity.resources.project import resource as projects
from stackyard.rooms.identity.resources.token.body import body
from stackyard.rooms.identity.resources.token.tokens import Token, tokens_of
from stackyard.rooms.identity.resources.user import store as users

_FLAG = Boolean()


def show(work: Work, request: Request) -> Reply:
    """The token named by X-Subject-Token. With `allow_expired`, services may ask for one that has just run out."""
    text, token = _subject(work, request, expired=_is_true(request, "allow_expired"))
    _allowed(work, "check_token" if request.method == "HEAD" else "validate_token", token)
    if token.caller.access_rules is not None and "openstack-identity-access-rules" not in request.headers:
        raise NotFound("Could not find token: the service that asks does not enforce access rules, which it has.")
    listed = "nocatalog" not in request.query
    services = tokens_of(work.services).catalogs.encoded(work.tx, token.caller.project_id) if listed else None
    return Reply(data=body(token, services), headers={"X-Subject-Token": text})


def _is_true(request: Request, name: str) -> bool:
    return name in request.query and bool(_FLAG.parse(request.query[name], name, False))


def revoke(work: Work, request: Request) -> Reply:
    """End the token named by X-Subject-Token, and unless `cascade` is false those that were got with it."""
    _, token = _subject(work, request)
    _allowed(work, "revoke_token", token)
    cascade = "cascade" not in request.query or _is_true(request, "cascade")
    tokens_of(work.services).revoke(work.tx, token, cascade=cascade)
    return Reply(status=204)


def revoked(work: Work, request: Request) -> Reply:
    """The list of revoked PKI tokens, which there are no longer."""
    raise Gone("The list of revoked tokens is gone with PKI tokens.", remedy="Ask /v3/OS-REVOKE/events.")


def _subject(work: Work, request: Request, *, expired: bool = False) -> tuple[str, Token]:
    text = request.headers.get("x-subject-token", "")
    if not text:
        raise NotFound("No token in the request: the header X-Subject-Token names the one in question.")
    try:
        return text, tokens_of(work.services).look_up(work.tx, text, expired=expired)
    except Unauthorized:
        raise NotFound("Could not find token: it is unknown, expired or revoked.") from None


def _allowed(work: Work, action: str, token: Token) -> None:
    if not work.allows(f"identity:{action}", {"target.token.user_id": token.user.id}):
        raise denied(action)


def _caller(work: Work) -> tuple[str, Sequence[str]]:
    """The caller, and the groups that their token alone puts them into."""
    return work.caller.user_id or "", work.caller.token.get("group_ids", ())


def own_projects(work: Work, request: Request) -> dict[str, Any]:
    """The enabled projects the caller can get a token for."""
    found = [each for each in users.projects_of(work.tx, *_caller(work)) if each.enabled]
    return render.collection(work, projects.PROJECT, found, "auth/projects")


def own_domains(work: Work, request: Request) -> dict[str, Any]:
    """The enabled domains the caller can get a token for."""
    found = [each for each in users.domains_of(work.tx, *_caller(work)) if each.enabled]
    return render.collection(work, domains.DOMAIN, found, "auth/domains")


def own_system(work: Work, request: Request) -> dict[str, Any]:
    """Whether the caller can get a token for the system."""
    user_id, groups = _caller(work)
    held = assignments.effective_roles(work.tx, user_id, assignments.system(), groups)
    return {"system": [{"all": True}] if held else [], "links": {"self": render.url(work, "auth/system")}}
