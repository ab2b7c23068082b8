"""Accounts that nobody has used for so long that they count as disabled."""

from datetime import datetime

from stackyard.kernel.settings import SecurityCompliance
from stackyard.kernel.storage.database import Record, Transaction
from stackyard.rooms.identity import compliance
from stackyard.rooms.identity.resources.password import store


def is_inactive(tx: Transaction, rules: SecurityCompliance, user: Record, now: datetime) -> bool:
    """Whether the account counts as disabled for that, by the operator's rules."""
    if rules.disable_user_account_days_inactive is None:
        return False
    return compliance.is_inactive(rules, user, store.login(tx, user.id), now.date())
