"""The identity room's manifest: Keystone v3."""

from collections.abc import Mapping, Sequence
from typing import Any

from stackyard.kernel.caller import Caller
from stackyard.kernel.declare.room import Room, declared
from stackyard.kernel.errors import Forbidden
from stackyard.kernel.request.exchange import Request
from stackyard.kernel.work import Services
from stackyard.rooms.identity import audited, resources, seed
from stackyard.rooms.identity.directories import Directories
from stackyard.rooms.identity.driver import Directory
from stackyard.rooms.identity.keys import Keys, Use
from stackyard.rooms.identity.policies import SHARED
from stackyard.rooms.identity.reconcile import DIRECTORIES, MEMBERSHIPS, ROTATION
from stackyard.rooms.identity.render import DIALECT
from stackyard.rooms.identity.resources.credential.resource import CREDENTIAL
from stackyard.rooms.identity.resources.credential.store import resealing
from stackyard.rooms.identity.resources.federation.connections import ConnectionsFile
from stackyard.rooms.identity.resources.federation.parties import Parties
from stackyard.rooms.identity.resources.oauth1.resource import ACCESS_TOKEN, CONSUMER
from stackyard.rooms.identity.resources.oauth1.store import REQUEST_TOKEN
from stackyard.rooms.identity.resources.token.provider import Provider
from stackyard.rooms.identity.resources.token.tokens import Tokens
from stackyard.rooms.identity.rotation import Reseal
from stackyard.rooms.identity.store import KEY
from stackyard.rooms.identity.throttle import shared


def start(services: Services) -> None:
    """Read the keys, made at the first start, and bind the cloud's tokens. Raises RuntimeError when the state folder
    lacks the secret that the keys were sealed with."""
    keys = Keys.of(services.database, services.settings.state_dir, services.clock.now())
    services.bound["identity_keys"] = keys
    services.bound["identity_directories"] = Directories(services, _ldap)
    services.bound["identity_throttle"] = shared(services.bulletin, services.settings.state_dir)
    services.bound["identity_reseals"] = RESEALS
    provider = Provider(keys, services.settings.token_provider)
    services.bound["federation"] = Parties(ConnectionsFile(services.settings.state_dir), services.clock)
    chosen = services.settings
    services.bound["identity"] = Tokens(provider, services.clock, chosen.token_lifetime, chosen.security_compliance)


def _ldap(options: Mapping[str, Any]) -> Directory:
    # Imported here because a cloud without a directory must not pay for it.
    from stackyard.rooms.identity.drivers.ldap.driver import LdapDirectory

    return LdapDirectory(options)


def always_permits(request: Request) -> bool:
    """A token can be validated and ended whatever it is for, or no service could find out."""
    return request.path == "/identity/v3/auth/tokens"


def admits(caller: Caller) -> None:
    """Raise Forbidden for a token of a signed request, as Keystone does: it is for the service that was asked, S3 say,
    and is shown and ended here, but asks for nothing itself."""
    if caller.token.get("origin", {}).get("signed_with"):
        raise Forbidden("A token of a signed request cannot be used to manage identity.", remedy="Use a password.")


#: What is to be encrypted anew when the keys of a use are rotated.
RESEALS: Mapping[Use, Sequence[Reseal]] = {
    "credential": [
        resealing(CREDENTIAL.table, "blob"),
        resealing(CONSUMER.table, "sealed"),
        resealing(ACCESS_TOKEN.table, "sealed"),
        resealing(REQUEST_TOKEN, "sealed"),
    ]
}

_DECLARED = declared(resources)

ROOM = Room(
    name="identity",
    path="/identity",
    services=[("identity", "keystone", "")],
    dialect=DIALECT,
    resources=_DECLARED.resources,
    routes=_DECLARED.routes,
    policies=[*SHARED, *_DECLARED.policies],
    tables=[KEY, *_DECLARED.tables],
    reconcilers=[ROTATION, MEMBERSHIPS, DIRECTORIES],
    start=start,
    always_permits=always_permits,
    admits=admits,
    seed=seed.seed,
    audited=audited.tell,
)
