"""Users who stand for people at identity providers: the attribute `federated`."""

from collections.abc import Mapping, Sequence
from typing import Any

from stackyard.kernel.declare.kinds import ListOf, Object, Text, invalid
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.identity.errors import denied, duplicate
from stackyard.rooms.identity.resources.federation import store

_PERSON = Object({"protocol_id": Text(min=1, max=64), "unique_id": Text(min=1, max=255)},
                 required=["protocol_id", "unique_id"])  # fmt: skip
#: For whom a user stands: by provider, and of each by protocol.
FEDERATED = ListOf(
    Object({"idp_id": Text(min=1, max=64), "protocols": ListOf(_PERSON)}, required=["idp_id", "protocols"])
)


def load(work: Work, users: Sequence[Record]) -> None:
    """Add for whom the users stand."""
    found = store.federated(work.tx, [each.id for each in users])
    for each in users:
        each["federated"] = _shown(found.get(each.id, []))


def _shown(rows: Sequence[Record]) -> list[dict[str, Any]]:
    providers: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        person = {"protocol_id": row.protocol_id, "unique_id": row.unique_id}
        providers.setdefault(row.idp_id, []).append(person)
    return [{"idp_id": idp_id, "protocols": people} for idp_id, people in providers.items()]


def stand_for(work: Work, user_id: str, federated: Sequence[Mapping[str, Any]] | None) -> None:
    """Let a user stand for these people and no others; with nothing given, leave it as it is. Raises Forbidden for who
    may not say whom providers vouch for, BadRequest for a provider or protocol that is not there, Conflict when another
    user stands for one of them."""
    if not federated:
        return
    # Whoever manages the user may know their password, and would get with it all that a mapping gives those people,
    # in every domain.
    if not work.allows("identity:update_identity_provider", {}):
        raise denied("update_identity_provider")
    store.forget_user(work.tx, user_id)
    for number, each in enumerate(federated):
        if store.provider(work.tx, each["idp_id"]) is None:
            raise invalid(f"federated.{number}.idp_id", f"there is no identity provider {each['idp_id']}.")
        for person in each["protocols"]:
            if store.protocol(work.tx, each["idp_id"], person["protocol_id"]) is None:
                why = f"the identity provider {each['idp_id']} has no protocol {person['protocol_id']}."
                raise invalid(f"federated.{number}.protocols", why)
            if store.user_id_of(work.tx, each["idp_id"], person["protocol_id"], person["unique_id"]) is not None:
                raise duplicate("federated_user", f"Duplicate entry found with unique_id {person['unique_id']}")
            store.remember(work.tx, user_id, each["idp_id"], person["protocol_id"], person["unique_id"])
