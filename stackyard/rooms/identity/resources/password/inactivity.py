"""Accounts that nobody has used for so long that they count as disabled."""

from stackyard.kernel.storage.database import Record, Transaction
from stackyard.kernel.work import Services
from stackyard.rooms.identity import compliance
from stackyard.rooms.identity.resources.password import store


def is_inactive(tx: Transaction, services: Services, user: Record) -> bool:
    """Whether the account counts as disabled for that, by the operator's rules."""
    rules = services.settings.security_compliance
    return compliance.is_inactive(rules, user, store.login(tx, user.id), services.clock.now().date())
