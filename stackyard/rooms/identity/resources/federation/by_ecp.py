"""A program that logs in at a provider that speaks SAML, as an enhanced client: it fetches a question here, takes it to
the provider itself, and brings the answer. Sources: SAML 2.0 Profiles, section 4.2; Liberty's reverse SOAP binding
(PAOS) 2.0, whose header says that a client can do so.

    program ─ GET …/auth, PAOS ─► here ── question, signed ──► program ── question, password ──► provider
    program ◄──────────────────────────── assertion ──────────────────────────────────────────── provider
    program ─ POST …/auth, assertion ─► here ─ judged, mapped ─► token
"""

import uuid
from collections.abc import Callable

from stackyard.kernel.request.exchange import Reply, Request
from stackyard.kernel.work import Services
from stackyard.rooms.identity.resources.federation import vouched
from stackyard.rooms.identity.resources.saml import questions, requests, xml
from stackyard.rooms.identity.rotation import keys_of

_TYPE = "application/vnd.paos+xml"


def asks(request: Request) -> bool:
    """Whether a program wants a question."""
    return request.method == "GET" and "paos" in request.headers and _TYPE in request.headers.get("accept", "")


def later(services: Services, way: vouched.Way) -> Callable[[], Reply]:
    """The function that puts a question to the provider of a SAML way, to be called with no transaction open."""

    def reply() -> Reply:
        signer, answer_to = vouched.own_signer(services), vouched.recipient(services, way)
        known_as, now = vouched.known_as(services, way), services.clock.now()
        question_id = questions.new_id(keys_of(services).secret, way.provider.id, way.protocol.id, now)
        # Where the provider takes it, the program knows.
        asked = requests.request(question_id, known_as, "", answer_to, requests.PAOS, now)
        asked.append(xml.made("ds:Signature"))
        signed = xml.signed(asked, signer.key, signer.certificates[0])
        data = xml.written(_enveloped(signed, known_as, answer_to))
        return Reply(data=data, content_type=_TYPE, headers={"Cache-Control": "no-store"})

    return reply


def _enveloped(asked: xml.Element, known_as: str, answer_to: str) -> xml.Element:
    must = {"soap:mustUnderstand": "1", "soap:actor": xml.NEXT_ACTOR}
    header = [
        xml.made("paos:Request", attributes={"responseConsumerURL": answer_to, "service": xml.SPACES["ecp"], **must}),
        xml.made("ecp:Request", [xml.made("saml:Issuer", known_as)], {"IsPassive": "false", **must}),
        # Nothing hangs on it; some clients do not go on without.
        xml.made("ecp:RelayState", uuid.uuid4().hex, must),
    ]
    return xml.made("soap:Envelope", [xml.made("soap:Header", header), xml.made("soap:Body", [asked])])
