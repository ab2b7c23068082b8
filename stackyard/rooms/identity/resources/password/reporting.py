"""What the audit trail is told of a wrong password, when the operator wants that: Keystone's partial_password_hash."""

import base64
import hashlib
import hmac

from stackyard.kernel.errors import Unauthorized
from stackyard.kernel.settings import SecurityCompliance
from stackyard.rooms.identity.errors import unauthenticated


def wrong_password(rules: SecurityCompliance, password: str) -> Unauthorized:
    """The refusal of a password, in the one text for every cause. The event of the request gets its digest attached."""
    refusal = unauthenticated()
    if "event" in rules.report_invalid_password_hash:
        attached = {"typeURI": "mime:text/plain", "name": "partial_password_hash", "content": digest(rules, password)}
        refusal.noted["attachments"] = [attached]
    return refusal


def digest(rules: SecurityCompliance, password: str) -> str:
    """A digest of a wrong password by which the same guess is known again, and nothing else: it takes the operator's
    key to make it, and only its first characters are told."""
    key = rules.invalid_password_hash_secret_key.encode()
    made = hmac.new(key, password.encode(), getattr(hashlib, rules.invalid_password_hash_function)).digest()
    return base64.b64encode(made).decode()[: rules.invalid_password_hash_max_chars]
