"""The rights of tokens that came through a provider: the user's own, and those of the groups that the mapping named."""

from stackyard.kernel.storage.database import Transaction
from stackyard.rooms.identity.errors import unauthenticated
from stackyard.rooms.identity.resources.assignment import store as assignments
from stackyard.rooms.identity.resources.federation import store
from stackyard.rooms.identity.resources.token.claims import Claims
from stackyard.rooms.identity.resources.token.rights import Rights, target


def rights(tx: Transaction, claims: Claims) -> Rights:
    """What such a token may do now. Raises Unauthorized when its provider is disabled, or it or its protocol gone."""
    said = claims.origin.federated
    provider = store.provider(tx, said.identity_provider_id) if said else None
    if said is None or provider is None or not provider.enabled:
        raise unauthenticated()
    if store.protocol(tx, provider.id, said.protocol_id) is None:
        raise unauthenticated()
    group_ids = store.groups_that_are_there(tx, said.group_ids)
    unscoped = claims.kind == "unscoped"
    roles = [] if unscoped else assignments.effective_roles(tx, claims.user_id, target(claims), group_ids)
    told = {
        "groups": [{"id": each} for each in group_ids],
        "identity_provider": {"id": provider.id},
        "protocol": {"id": said.protocol_id},
    }
    return Rights(roles=roles, user={"OS-FEDERATION": told}, known={"group_ids": group_ids})
