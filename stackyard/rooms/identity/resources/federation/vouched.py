"""From a provider's word to a proof: who is vouched for by which protocol, in which request."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256

from stackyard.kernel.caller import service_caller
from stackyard.kernel.errors import BadRequest, Forbidden, NotFound, Unauthorized
from stackyard.kernel.request.exchange import Request
from stackyard.kernel.storage.database import Record, Transaction
from stackyard.kernel.work import Services
from stackyard.rooms.identity.errors import unauthenticated, unknown
from stackyard.rooms.identity.resources.federation import store
from stackyard.rooms.identity.resources.federation.arrival import arrive
from stackyard.rooms.identity.resources.federation.assertion import from_claims, from_headers
from stackyard.rooms.identity.resources.federation.connections import Connection, Oidc, Proxied
from stackyard.rooms.identity.resources.federation.oidc import Claims
from stackyard.rooms.identity.resources.federation.parties import Parties
from stackyard.rooms.identity.resources.mapping import engine, language
from stackyard.rooms.identity.resources.mapping.engine import Assertion
from stackyard.rooms.identity.resources.saml import addresses, questions
from stackyard.rooms.identity.resources.saml.encryption import unlocking
from stackyard.rooms.identity.resources.saml.judging import Here, judged
from stackyard.rooms.identity.resources.saml.sections import Issuer, SamlProvider
from stackyard.rooms.identity.resources.saml.vouching import Signer, signer_of
from stackyard.rooms.identity.resources.token.proof import Proof
from stackyard.rooms.identity.rotation import keys_of
from stackyard.rooms.identity.throttle import throttle_of

_BEARER = "bearer "


@dataclass(frozen=True)
class Way:
    """One protocol of an enabled provider, how it is connected, and the rules that its assertions are read with."""

    provider: Record
    protocol: Record
    connection: Connection
    rules: language.Rules


def parties_of(services: Services) -> Parties:
    """How this server speaks with providers, bound when the room started."""
    bound: Parties = services.bound["federation"]
    return bound


def way(tx: Transaction, services: Services, provider_id: str, protocol_id: str) -> Way:
    """The way by that protocol. Raises NotFound for one that is not there or not connected on this server, Forbidden
    for a provider that is disabled."""
    provider, protocol = store.provider(tx, provider_id), store.protocol(tx, provider_id, protocol_id)
    if provider is None:
        raise unknown("identity_provider", provider_id)
    if protocol is None:
        raise unknown("federation_protocol", protocol_id)
    if not provider.enabled:
        raise Forbidden(f"Identity Provider {provider_id} is disabled.")
    connection = parties_of(services).connection(provider_id, protocol_id)
    if connection is None:
        raise NotFound(
            f"The protocol {protocol_id} of the identity provider {provider_id} is not connected.",
            remedy="The operator connects it in federation.yaml.",
        )
    mapping = store.mapping(tx, protocol.mapping_id)
    if mapping is None:
        raise unknown("mapping", protocol.mapping_id)
    return Way(provider, protocol, connection, language.read(mapping.rules, mapping.schema_version))


def assertion_of(services: Services, way: Way, request: Request) -> Assertion:
    """What is asserted of whoever makes a request: by the trusted proxy that passed it on, or by what is in it. May
    ask the provider. Raises Unauthorized, and TooManyRequests after too many failures: to judge costs time."""
    if isinstance(way.connection, Proxied):
        if not request.proxied:
            raise Unauthorized("Nobody vouches for you: the request did not come by the proxy that does.")
        return from_headers(request.headers, _types(way), way.connection.remote_user)
    if isinstance(way.connection, SamlProvider):
        return _brought(services, way, way.connection, request)
    sent = request.headers.get("authorization", "")
    if not sent.lower().startswith(_BEARER):
        raise Unauthorized(
            "Nobody vouches for you: the request has no token of the identity provider.",
            remedy="Send 'Authorization: Bearer <token>'.",
        )
    with _attempt(services, request, sent.encode()):
        claims = parties_of(services).party(way.connection).bearer(sent[len(_BEARER) :].strip())
    return from_claims(claims, way.connection.claim_prefix)


def _brought(services: Services, way: Way, connection: SamlProvider, request: Request) -> Assertion:
    """What the SAML assertion in the body says, which came unasked or answers a question that a program fetched."""
    if not isinstance(request.body, bytes):
        raise Unauthorized(
            "Nobody vouches for you: the request has no assertion of the identity provider.",
            remedy="Post its SAML response, as XML.",
        )
    here = Here(recipient(services, way), known_as(services, way), partial(_waits_for, services, way))
    with _attempt(services, request, request.body):
        return _judged(services, request.body, connection, here)


def _attempt(services: Services, request: Request, said: bytes) -> AbstractContextManager[None]:
    """An attempt to log in by what is said, which stands for whom it may be about: that is known afterwards only."""
    return throttle_of(services).attempt(("said", sha256(said).hexdigest()), request.remote_address)


def _waits_for(services: Services, way: Way, question_id: str | None) -> bool:
    if question_id is None:
        return True
    secret, now = keys_of(services).secret, services.clock.now()
    return questions.was_asked(secret, question_id, way.provider.id, way.protocol.id, now)


def answered(services: Services, way: Way, said: bytes, address: str, request_id: str) -> Assertion:
    """What a provider's SAML response says that answers a request of ours at that address. Raises Unauthorized."""
    assert isinstance(way.connection, SamlProvider)
    here = Here(address, known_as(services, way), lambda answers: answers == request_id)
    return _judged(services, said, way.connection, here)


def _judged(services: Services, said: bytes, connection: SamlProvider, here: Here) -> Assertion:
    """What an assertion says; it is never good again."""
    now = services.clock.now()
    found = judged(said, connection, here, unlocking(services), now)
    with services.database.write() as tx:
        if not store.use_state(tx, found.mark, found.expires, int(now.timestamp())):
            raise Unauthorized("The assertion was refused: it has been used.", remedy="Get a new one.")
    return found.attributes


def own_signer(services: Services) -> Signer:
    """What this cloud signs with: the operator's key, or else its own. Opens transactions of its own."""
    return signer_of(services, parties_of(services).connections.saml or Issuer())


def recipient(services: Services, way: Way) -> str:
    """The address that assertions of this way are for: the cloud's public one, whatever the request was sent to."""
    return addresses.of_programs(services.settings.base_url, way.provider.id, way.protocol.id)


def known_as(services: Services, way: Way) -> str:
    """What the provider of a SAML way calls this cloud."""
    assert isinstance(way.connection, SamlProvider)
    return way.connection.audience or recipient(services, way)


def assertion_from(way: Way, claims: Claims) -> Assertion:
    """What the claims of a token that was fetched for somebody assert of them."""
    assert isinstance(way.connection, Oidc)
    return from_claims(claims, way.connection.claim_prefix)


def _types(way: Way) -> set[str]:
    named = way.protocol.remote_id_attribute
    return way.rules.types | ({named} if named else set()) | {"REMOTE_USER"}


def admit(services: Services, way: Way, assertion: Assertion, request_id: str = "") -> Proof:
    """The proof for a person of whom this is asserted; opens a transaction. Raises BadRequest naming a rule that fails,
    Forbidden for another provider's assertion, Unauthorized when the mapping knows nobody like them."""
    _check_remote_id(way, assertion)
    mapped = engine.apply(way.rules, assertion)
    default_ttl = parties_of(services).connections.default_authorization_ttl
    with services.database.write() as tx:
        # While the provider was asked, an administrator may have shut this way.
        provider = store.provider(tx, way.provider.id)
        if provider is None or not provider.enabled or store.protocol(tx, provider.id, way.protocol.id) is None:
            raise unauthenticated()
        work = services.work(tx, service_caller("federation"), request_id)
        return arrive(work, provider, way.protocol.id, _named(mapped, assertion), default_ttl)


def _check_remote_id(way: Way, assertion: Assertion) -> None:
    attribute, known = way.protocol.remote_id_attribute, way.provider.remote_ids
    if not attribute or not known:
        return
    if attribute not in assertion:
        raise BadRequest(f"The assertion does not name its identity provider: it has no attribute {attribute}.")
    if not set(assertion[attribute]) & set(known):
        raise Forbidden("The identity provider that the assertion names is not among the accepted ones.")


def _named(mapped: engine.Mapped, assertion: Assertion) -> engine.Mapped:
    """A user without a name has the one that the web server's own log-in gave."""
    user = mapped.user
    if user.id or user.name or not assertion.get("REMOTE_USER"):
        return mapped
    return replace(mapped, user=replace(user, name=assertion["REMOTE_USER"][0]))


def later(services: Services, way: Way, request: Request) -> Callable[[], Proof]:
    """The function that proves who makes a request, to be called with no transaction open."""
    return lambda: admit(services, way, assertion_of(services, way, request))
