"""Where the rights of tokens come from, when they are not simply the roles of their user."""

from collections.abc import Callable, Mapping

from stackyard.kernel.storage.database import Transaction
from stackyard.rooms.identity.errors import unauthenticated
from stackyard.rooms.identity.resources.application_credential import rights as application_credentials
from stackyard.rooms.identity.resources.federation import rights as federation
from stackyard.rooms.identity.resources.oauth1 import rights as access_tokens
from stackyard.rooms.identity.resources.token.claims import OWN, Claims
from stackyard.rooms.identity.resources.token.rights import Rights, of_user
from stackyard.rooms.identity.resources.trust import rights as trusts

#: By the member of `Origin` that names where the rights come from. Each is asked whenever such a token is judged, so
#: that what is taken away at the source is taken away at once; it raises Unauthorized when nothing is left.
SOURCES: Mapping[str, Callable[[Transaction, Claims], Rights]] = {
    "trust_id": trusts.rights,
    "application_credential_id": application_credentials.rights,
    "access_token_id": access_tokens.rights,
    "federated": federation.rights,
}


def rights(tx: Transaction, claims: Claims) -> Rights:
    """What the token may do now. Raises Unauthorized when that is nothing in the scope it is for."""
    found = _source(claims)(tx, claims)
    if claims.kind != "unscoped" and not found.roles:
        raise unauthenticated()
    return found


def _source(claims: Claims) -> Callable[[Transaction, Claims], Rights]:
    if claims.origin == OWN:
        return of_user
    for name, source in SOURCES.items():
        if getattr(claims.origin, name):
            return source
    raise unauthenticated()
