"""What tokens got with an access token may do."""

from stackyard.kernel.storage.database import Transaction
from stackyard.rooms.identity.errors import unauthenticated
from stackyard.rooms.identity.resources.oauth1 import store
from stackyard.rooms.identity.resources.role import store as roles
from stackyard.rooms.identity.resources.token import rights as tokens
from stackyard.rooms.identity.resources.token.claims import Claims
from stackyard.rooms.identity.resources.token.rights import Rights


def rights(tx: Transaction, claims: Claims) -> Rights:
    """The roles that the user has let the consumer have, with what they imply, as far as the user still has them.
    Raises Unauthorized when the access token is gone."""
    given = store.access_token(tx, claims.origin.access_token_id)
    if given is None or given.authorizing_user_id != claims.user_id or given.project_id != claims.scope_id:
        raise unauthenticated()
    chosen = {role.id for role in roles.expand(tx, given.role_ids)}
    return Rights(
        roles=[role for role in tokens.of_user(tx, claims).roles if role.id in chosen],
        shown={"OS-OAUTH1": {"access_token_id": given.id, "consumer_id": given.consumer_id}},
    )
