"""Whether somebody is the user they say. Every refusal but one costs and says the same: one hash and, where accounts
are locked, one write, be the user unknown, disabled or locked, or the password wrong. Only who knows the password is
told that it has expired.
"""

from dataclasses import dataclass

from stackyard.kernel.errors import Unauthorized
from stackyard.kernel.settings import SecurityCompliance
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Services
from stackyard.rooms.identity import compliance
from stackyard.rooms.identity.passwords import hash_password, needs_renewal, verify_password
from stackyard.rooms.identity.resources.password import store
from stackyard.rooms.identity.resources.password.reporting import wrong_password
from stackyard.rooms.identity.resources.user import store as users


@dataclass(frozen=True)
class Verified:
    """The user as they are now, and whether their password has to be changed before it is good for anything else."""

    user: Record
    expired: bool


def verify(services: Services, user: Record | None, password: str) -> Verified:
    """Who it is. No transaction may be open: this takes as long as a hash. Raises Unauthorized, in one text."""
    rules, now = services.settings.security_compliance, services.clock.now()
    stored = user.password_hash if user else None
    good = verify_password(password, stored, services.settings.password_cost)
    with services.database.read() as tx:
        current = users.by_id(tx, user.id) if user else None
        login = store.login(tx, user.id if user else store.NOBODY)
    if not good or current is None or current.password_hash != stored:
        raise _failed(services, current, password)
    if not _may_come_in(rules, services, current, login):
        # A locked account must not tell that this was the right password; neither by how long that takes.
        raise _failed(services, current, password)
    _succeeded(services, current, login, password)
    return Verified(current, compliance.is_expired(current, now))


def refuse_expired(verified: Verified) -> Record:
    """The user. Raises Unauthorized when their password has expired."""
    if verified.expired:
        raise Unauthorized(
            f"The password is expired and needs to be changed for user: {verified.user.id}.",
            remedy="Change it: POST /v3/users/<id>/password, or `openstack user password set`.",
        )
    return verified.user


def _may_come_in(rules: SecurityCompliance, services: Services, user: Record, login: Record | None) -> bool:
    now = services.clock.now()
    return bool(
        user.enabled
        and not compliance.is_locked(rules, user, login, now)
        and not compliance.is_inactive(rules, user, login, now.date())
    )


def _failed(services: Services, user: Record | None, password: str) -> Unauthorized:
    """Count it; returns the refusal."""
    rules, now = services.settings.security_compliance, services.clock.now()
    if rules.lockout_failure_attempts is not None:
        # Counted in the transaction that writes: of many attempts at once, none is missed.
        with services.database.write() as tx:
            name = user.id if user else store.NOBODY
            login = store.login(tx, name)
            if user and login and compliance.is_locked(rules, user, login, now):
                # What is locked is not locked for longer by more attempts; it is written, to take as long.
                store.failed(tx, name, login.failures, login.failed_at)
            else:
                store.failed(tx, name, compliance.failures_after(rules, login, now), now)
    return wrong_password(rules, password)


def _succeeded(services: Services, user: Record, login: Record | None, password: str) -> None:
    rules, today = services.settings.security_compliance, services.clock.now().date()
    active = rules.disable_user_account_days_inactive is not None and (
        login is None or login.active_on != today.isoformat()
    )
    cost = services.settings.password_cost
    renewed = hash_password(password, cost) if needs_renewal(user.password_hash, cost) else None
    if not active and renewed is None and not (login and login.failures):
        return
    with services.database.write() as tx:
        if renewed is not None and users.rehash_password(tx, user, renewed):
            user["password_hash"] = renewed
        store.succeeded(tx, user.id, today)
