"""Rules of users about which methods they must prove together. Source: Keystone, "Multi-Factor Authentication"."""

from collections.abc import Collection

from stackyard.kernel.storage.database import Record
from stackyard.rooms.identity.resources.authentication.methods import CERTIFICATE, METHODS

_OFFERED = {*METHODS, CERTIFICATE}


def unmet(user: Record, proved: Collection[str]) -> list[list[str]]:
    """The sets of methods of which the user has to prove one, or nothing when they have.

    A method that is not offered counts for nothing, and a rule of only such is none, so that nobody is locked out by a
    word that was never good.
    """
    options = user.options or {}
    if options.get("multi_factor_auth_enabled") is False:
        return []
    rules = [[name for name in rule if name in _OFFERED] for rule in options.get("multi_factor_auth_rules") or ()]
    rules = [rule for rule in rules if rule]
    return [] if any(set(rule) <= set(proved) for rule in rules) else rules
