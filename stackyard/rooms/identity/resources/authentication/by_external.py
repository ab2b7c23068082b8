"""Method `external`: a reverse proxy has found out who it is (Kerberos, certificates, …) and says so in a header.

Off unless the operator names the header; believed only from proxies that the operator names: anybody can send a header.
"""

from typing import Any

from stackyard.kernel.declare.kinds import Object
from stackyard.kernel.storage.database import Transaction
from stackyard.rooms.identity.errors import unauthenticated
from stackyard.rooms.identity.resources.authentication.attempt import Attempt
from stackyard.rooms.identity.resources.token.proof import Proof
from stackyard.rooms.identity.resources.user import store as users

_SHAPE = Object({}, extra=True)
_DEFAULT = "default"


def read(given: Any, path: str) -> None:
    """Nothing is said in the body."""
    _SHAPE.parse(given, path, True)


def prove(tx: Transaction, attempt: Attempt, given: None) -> Proof:
    """The user whom the proxy names, in the domain it names or else the default one."""
    settings = attempt.services.settings
    name = _said(attempt, settings.external_user_header)
    if not name:
        raise unauthenticated()
    domain_name = _said(attempt, settings.external_domain_header)
    domain = users.domain(tx, name=domain_name) if domain_name else users.domain(tx, domain_id=_DEFAULT)
    user = users.by_name(tx, name, domain.id) if domain else None
    if user is None:
        raise unauthenticated()
    return Proof(user_id=user.id, generation=user.generation)


def _said(attempt: Attempt, header: str) -> str:
    request = attempt.request
    return request.headers.get(header.lower(), "") if header and request.proxied else ""
