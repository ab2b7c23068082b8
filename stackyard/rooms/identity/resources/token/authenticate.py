"""From a password or a token to a new token."""

from collections.abc import Callable

from stackyard.kernel.request.exchange import Reply
from stackyard.kernel.storage.database import Database, Record, Transaction
from stackyard.kernel.work import Work
from stackyard.rooms.identity.errors import unauthenticated
from stackyard.rooms.identity.passwords import verify_password
from stackyard.rooms.identity.resources.assignment import store as assignments
from stackyard.rooms.identity.resources.assignment.store import Target
from stackyard.rooms.identity.resources.catalog import store as catalogs
from stackyard.rooms.identity.resources.project import store as projects
from stackyard.rooms.identity.resources.token.body import body
from stackyard.rooms.identity.resources.token.claims import Claims
from stackyard.rooms.identity.resources.token.tokens import UNSCOPED, Scope, Tokens
from stackyard.rooms.identity.resources.token.wanted import Named, Wanted
from stackyard.rooms.identity.resources.user import store as users


def authenticate(
    work: Work, tokens: Tokens, wanted: Wanted, *, catalog: bool, cost: int
) -> Reply | Callable[[], Reply]:
    """The new token, or (for a password) the function that makes it: hashing takes too long for an open transaction."""
    if wanted.user is None:
        return _by_token(work.tx, tokens, wanted, None, catalog)
    found = _user(work.tx, wanted.user)
    return lambda: _by_password(work.database, tokens, wanted, found, catalog, cost)


def _by_password(
    database: Database, tokens: Tokens, wanted: Wanted, user: Record | None, catalog: bool, cost: int
) -> Reply:
    stored = user.password_hash if user else None
    good = verify_password(wanted.password, stored, cost)
    with database.read() as tx:
        now = users.by_id(tx, user.id) if user and good else None
        if now is None or now.password_hash != stored:
            raise unauthenticated()
        return _by_token(tx, tokens, wanted, now.id, catalog)


def _by_token(tx: Transaction, tokens: Tokens, wanted: Wanted, user_id: str | None, catalog: bool) -> Reply:
    parent: Claims | None = None
    methods = list(wanted.methods)
    if wanted.token is not None:
        parent = tokens.look_up(tx, wanted.token).claims
        if user_id not in (None, parent.user_id):
            raise unauthenticated()
        methods += [each for each in parent.methods if each not in methods]
    known = user_id or (parent.user_id if parent else None)
    if known is None:
        raise unauthenticated()
    text, token = tokens.issue(tx, known, methods, _scope(tx, wanted, known), parent=parent)
    services = catalogs.catalog(tx, token.caller.project_id) if catalog else None
    return Reply(status=201, body=body(token, services), headers={"X-Subject-Token": text, "Vary": "X-Auth-Token"})


def _user(tx: Transaction, named: Named) -> Record | None:
    if named.id:
        return users.by_id(tx, named.id)
    domain = _domain(tx, named)
    return users.by_name(tx, named.name or "", domain.id) if domain else None


def _domain(tx: Transaction, named: Named) -> Record | None:
    return users.domain(tx, domain_id=named.domain_id, name=named.domain_name)


def _scope(tx: Transaction, wanted: Wanted, user_id: str) -> Scope:
    if wanted.scope is None:
        return _default_scope(tx, user_id)
    if wanted.scope == "domain" and wanted.where:
        found = users.domain(tx, domain_id=wanted.where.id, name=wanted.where.name)
    elif wanted.scope == "project" and wanted.where:
        found = _project(tx, wanted.where)
    else:
        return Scope(wanted.scope, assignments.SYSTEM if wanted.scope == "system" else "")
    if found is None:
        raise unauthenticated()
    return Scope(wanted.scope, found.id)


def _project(tx: Transaction, named: Named) -> Record | None:
    if named.id:
        return projects.by_id(tx, named.id)
    domain = _domain(tx, named)
    return projects.by_name(tx, named.name or "", domain.id) if domain else None


def _default_scope(tx: Transaction, user_id: str) -> Scope:
    """The user's default project if they can use it; otherwise the token is for nowhere in particular."""
    user = users.by_id(tx, user_id)
    project = projects.by_id(tx, user.default_project_id) if user and user.default_project_id else None
    if project is None or project.is_domain or not project.enabled:
        return UNSCOPED
    domain = users.domain(tx, domain_id=project.domain_id)
    if domain is None or not domain.enabled:
        return UNSCOPED
    return (
        Scope("project", project.id)
        if assignments.effective_roles(tx, user_id, Target("project", project.id))
        else UNSCOPED
    )
