"""From what a request proves to a new token."""

from collections.abc import Callable, Sequence

from stackyard.kernel.errors import Forbidden
from stackyard.kernel.request.exchange import Reply
from stackyard.kernel.storage.database import Transaction
from stackyard.rooms.identity.errors import unauthenticated
from stackyard.rooms.identity.resources.assignment import store as assignments
from stackyard.rooms.identity.resources.assignment.store import Target
from stackyard.rooms.identity.resources.authentication import factors, named, receipt
from stackyard.rooms.identity.resources.authentication.attempt import Attempt, Proving
from stackyard.rooms.identity.resources.authentication.methods import METHODS
from stackyard.rooms.identity.resources.authentication.wanted import Wanted
from stackyard.rooms.identity.resources.project import store as projects
from stackyard.rooms.identity.resources.token.body import body, told
from stackyard.rooms.identity.resources.token.proof import UNSCOPED, Proof, Scope, together
from stackyard.rooms.identity.resources.trust.redeeming import redeem
from stackyard.rooms.identity.resources.user import store as users


def authenticate(tx: Transaction, attempt: Attempt, wanted: Wanted, *, catalog: bool) -> Reply | Callable[[], Reply]:
    """The new token; or, where a method takes long, the function that makes it once the transaction is closed."""
    proofs = [METHODS[name].prove(tx, attempt, given) for name, given in wanted.methods.items()]
    proved = [each for each in proofs if isinstance(each, Proof)]
    if len(proved) == len(proofs) and wanted.trust_id is None:
        return issued(tx, attempt, wanted, proved, catalog)
    return lambda: _later(attempt, wanted, proofs, catalog)


def _later(attempt: Attempt, wanted: Wanted, proofs: Sequence[Proving], catalog: bool) -> Reply:
    proved = [each if isinstance(each, Proof) else each() for each in proofs]
    # A trust may be good for so many tokens: to make one and to count it is one transaction.
    with attempt.database.write() if wanted.trust_id else attempt.database.read() as tx:
        return issued(tx, attempt, wanted, proved, catalog)


def issued(tx: Transaction, attempt: Attempt, wanted: Wanted, proofs: Sequence[Proof], catalog: bool) -> Reply:
    """The answer to what was proved: a token, or a receipt when more has to be."""
    proof = together(wanted.methods, [*proofs, *receipt.earlier(tx, attempt)])
    user = users.by_id(tx, proof.user_id)
    if user is not None and (required := factors.unmet(user, proof.methods)):
        return receipt.issue(tx, attempt, user, proof, required)
    if wanted.trust_id:
        proof = redeem(tx, attempt.services.clock, wanted.trust_id, proof)
    text, token = attempt.tokens.issue(tx, proof, _scope(tx, wanted, proof))
    services = attempt.tokens.catalogs.encoded(tx, token.caller.project_id) if catalog else None
    headers = {"X-Subject-Token": text}
    return Reply(status=201, body=told(token), data=body(token, services), headers=headers)


def _scope(tx: Transaction, wanted: Wanted, proof: Proof) -> Scope:
    if wanted.scope is None:
        return proof.scope or _default_scope(tx, proof.user_id)
    _refuse_rescoping(wanted, proof)
    scope = _asked_scope(tx, wanted)
    if proof.scope not in (None, scope):
        raise unauthenticated()
    return scope


def _refuse_rescoping(wanted: Wanted, proof: Proof) -> None:
    """Raise Forbidden where a token of an application credential was sent to get one for any scope that is named, or a
    token of the system to get one for a project or a domain."""
    if proof.parent is None:
        return
    if proof.origin.application_credential_id:
        raise Forbidden("A token of an application credential gets no other for a scope.", remedy="Name no scope.")
    if proof.parent.kind == "system" and wanted.scope in ("project", "domain"):
        raise Forbidden("A token for the system gets none for a project or a domain.", remedy="Log in again.")


def _asked_scope(tx: Transaction, wanted: Wanted) -> Scope:
    if wanted.scope == "domain" and wanted.where:
        found = users.domain(tx, domain_id=wanted.where.id, name=wanted.where.name)
    elif wanted.scope == "project" and wanted.where:
        found = named.project(tx, wanted.where)
    else:
        return Scope(wanted.scope or "unscoped", assignments.SYSTEM if wanted.scope == "system" else "")
    if found is None:
        raise unauthenticated()
    return Scope(wanted.scope, found.id)


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
