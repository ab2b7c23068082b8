"""Whether a trust still stands, and what it then gives."""

from stackyard.kernel.storage.database import Record, Transaction
from stackyard.kernel.work import Clock
from stackyard.rooms.identity.resources.assignment import store as assignments
from stackyard.rooms.identity.resources.role import store as roles
from stackyard.rooms.identity.resources.trust import store
from stackyard.rooms.identity.resources.user import store as users


class Fallen(Exception):
    """A trust gives nothing at present; the text says why."""


def given_roles(tx: Transaction, trust: Record) -> list[Record]:
    """The roles (id, name) that a trust gives now, with all they imply. Raises Fallen when the trustor has lost one of
    them, or when somebody between trustor and trustee is disabled."""
    chain = store.pedigree(tx, trust)
    if chain is None:
        raise Fallen("A trust it was redelegated from is gone.")
    for each in {one.trustor_user_id for one in chain} | {one.trustee_user_id for one in chain}:
        if not is_enabled(tx, each):
            who = "Trustor" if each == trust.trustor_user_id else "One of the trust agents"
            raise Fallen(f"{who} is disabled: {each}.")
    if trust.project_id is None:
        return []
    given = set().union(*(roles.closure(roles.inferences(tx), each) for each in trust.roles))
    if given - held_roles(tx, chain[-1].trustor_user_id, trust.project_id):
        raise Fallen("Trustee has no delegated roles.")
    return roles.expand(tx, trust.roles)


def is_over(trust: Record, clock: Clock) -> bool:
    """Whether the trust's time has passed or its uses are used up."""
    return trust.remaining_uses == 0 or (trust.expires_at is not None and trust.expires_at <= clock.now())


def is_enabled(tx: Transaction, user_id: str) -> bool:
    """Whether a user is there and enabled, and their domain too."""
    user = users.by_id(tx, user_id)
    domain = users.domain(tx, domain_id=user.domain_id) if user and user.enabled else None
    return bool(domain and domain.enabled)


def held_roles(tx: Transaction, user_id: str, project_id: str) -> set[str]:
    """The ids of the roles that a user has on a project, with those that belong to domains."""
    return assignments.effective_role_ids(tx, user_id, assignments.Target("project", project_id))
