"""What a SAML provider that is to log people in must be told of this cloud: metadata that the operator hands on."""

from stackyard.kernel.errors import BadRequest
from stackyard.kernel.work import Services
from stackyard.rooms.identity.resources.federation.connections import FILE, Connections
from stackyard.rooms.identity.resources.federation.vouched import own_signer, parties_of
from stackyard.rooms.identity.resources.saml import addresses, metadata, xml
from stackyard.rooms.identity.resources.saml.sections import SamlProvider
from stackyard.rooms.identity.rotation import keys_of, ready


def introduction(services: Services, provider_id: str, protocol_id: str) -> bytes:
    """The metadata for that way. Opens transactions, and makes the keys that it tells of when they are not there.
    Raises BadRequest for a way that the operator's file does not name."""
    from cryptography import x509

    connections = parties_of(services).connections
    connection = connections.of(provider_id, protocol_id)
    if not isinstance(connection, SamlProvider):
        there = ", ".join(_ways(connections)) or "none"
        raise BadRequest(f"{provider_id}/{protocol_id} is no SAML provider of {FILE}; there are: {there}")
    where = services.settings.base_url, provider_id, protocol_id
    # A provider may use any certificate that it is told: the one of now, which is good until the rotation after next.
    readable_by = x509.load_pem_x509_certificate(ready(services, keys_of(services).decryption)[0].secret)
    browsers, programs = addresses.of_browsers(*where), addresses.of_programs(*where)
    told = metadata.asking(connection.audience or programs, browsers, programs, own_signer(services), readable_by)
    return xml.written(told)


def _ways(connections: Connections) -> list[str]:
    return [
        f"{provider_id}/{protocol_id}"
        for provider_id, protocols in connections.providers.items()
        for protocol_id, connection in protocols.items()
        if isinstance(connection, SamlProvider)
    ]
