"""The operator's rules for passwords and accounts: Keystone's [security_compliance], by its names.

Nothing here reads or writes: what is judged is given. Source: Keystone's configuration reference.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from stackyard.kernel.errors import BadRequest
from stackyard.kernel.settings import SecurityCompliance
from stackyard.kernel.storage.database import Record


def check_strength(rules: SecurityCompliance, password: str) -> None:
    """Raise BadRequest for a password that the rules find too weak, with their own description."""
    if rules.password_regex and not re.match(rules.password_regex, password):
        wanted = rules.password_regex_description or f"it must match {rules.password_regex}"
        raise BadRequest(f"The password does not match the requirements: {wanted}.", field="user.password")


def expires_at(rules: SecurityCompliance, options: Mapping[str, Any], now: datetime, *, own: bool) -> datetime | None:
    """When a password expires that is set now, to the second. `own`: by the user; one that an administrator sets may
    have to be changed at the first login."""
    if not own and rules.change_password_upon_first_use and not options.get("ignore_change_password_upon_first_use"):
        return now
    if rules.password_expires_days is None or options.get("ignore_password_expiry"):
        return None
    return now.replace(microsecond=0) + timedelta(days=rules.password_expires_days)


def is_expired(user: Record, now: datetime) -> bool:
    """Whether the user's password has to be changed before it is good again."""
    at: datetime | None = user.password_expires_at
    if at is None or at > now:
        return False
    # One that has to be changed at the first login has expired when it was set: no option lets it off later.
    return at == user.password_set_at or not _ignores(user, "ignore_password_expiry")


def shown_expiry(user: Record) -> str | None:
    """When the user's password expires, as Keystone writes it: without a zone."""
    at: datetime | None = user.password_expires_at
    return None if at is None else at.strftime("%Y-%m-%dT%H:%M:%S.%f")


def check_age(rules: SecurityCompliance, since: datetime, now: datetime) -> None:
    """Raise BadRequest for a change so early that a user could go through their history to an old password."""
    left = since + timedelta(days=rules.minimum_password_age) - now
    if left > timedelta():
        raise BadRequest(
            f"Cannot change password before minimum age {rules.minimum_password_age} days is met.",
            remedy=f"Please try again in {left.days} days and {left.seconds // 3600} hours.",
            field="user.password",
        )


def is_locked(rules: SecurityCompliance, user: Record, login: Record | None, now: datetime) -> bool:
    """Whether the account is locked after too many failures."""
    if rules.lockout_failure_attempts is None or login is None or _ignores(user, "ignore_lockout_failure_attempts"):
        return False
    return login.failures >= rules.lockout_failure_attempts and not _is_over(rules, login, now)


def failures_after(rules: SecurityCompliance, login: Record | None, now: datetime) -> int:
    """How many failures in a row it is with one more now."""
    return 1 if login is None or _is_over(rules, login, now) else login.failures + 1


def _is_over(rules: SecurityCompliance, login: Record, now: datetime) -> bool:
    return login.failed_at is None or now >= login.failed_at + timedelta(seconds=rules.lockout_duration)


def is_inactive(rules: SecurityCompliance, user: Record, login: Record | None, today: date) -> bool:
    """Whether the account counts as disabled because nobody has used it for so long."""
    days = rules.disable_user_account_days_inactive
    if days is None or login is None or login.active_on is None or _ignores(user, "ignore_user_inactivity"):
        return False
    return today - date.fromisoformat(login.active_on) >= timedelta(days=days)


def _ignores(user: Record, option: str) -> bool:
    return bool((user.options or {}).get(option))
