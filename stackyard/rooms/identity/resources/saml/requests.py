"""What a provider is asked: who is it at this browser, or program? Sources: SAML 2.0 Core, section 3.4.1; Bindings,
section 3.4, of which 3.4.4.1 is how a question in an address is signed."""

import base64
import zlib
from datetime import datetime
from urllib.parse import urlencode

from stackyard.rooms.identity.resources.saml.assertions import instant
from stackyard.rooms.identity.resources.saml.vouching import Signer
from stackyard.rooms.identity.resources.saml.xml import Element, made, written

POST, PAOS = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST", "urn:oasis:names:tc:SAML:2.0:bindings:PAOS"


def request(request_id: str, issuer: str, destination: str, answer_to: str, binding: str, now: datetime) -> Element:
    """A question by `issuer` to a provider's address `destination` (empty: it is not known), to be answered by what is
    posted to `answer_to`, in that binding's form."""
    attributes = {
        "ID": request_id,
        "Version": "2.0",
        "IssueInstant": instant(now),
        **({"Destination": destination} if destination else {}),
        "AssertionConsumerServiceURL": answer_to,
        "ProtocolBinding": binding,
    }
    return made("samlp:AuthnRequest", [made("saml:Issuer", issuer)], attributes)


def address(destination: str, asked: Element, state: str, signer: Signer) -> str:
    """Where the browser goes with the question, which is signed as it stands in the address."""
    packing = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = base64.b64encode(packing.compress(written(asked)) + packing.flush()).decode()
    said = urlencode({"SAMLRequest": packed, "RelayState": state, "SigAlg": signer.algorithm})
    signature = urlencode({"Signature": base64.b64encode(signer.signature(said.encode()))})
    return f"{destination}{'&' if '?' in destination else '?'}{said}&{signature}"
