"""The certificate that a client has presented: on its TLS connection, or to the reverse proxy that passed it on.

TLS has verified it against the authorities that the operator named (`tls_client_ca`), or the proxy has, which is
believed only where the operator says that it does (`client_certificate_header`). Sources: ASGI's TLS extension;
RFC 9440 and the headers that Apache, nginx and HAProxy make.
"""

import base64
import hashlib
import hmac
import re
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

#: Where ASGI's TLS extension has the client's chain, its own certificate first, each as PEM.
_EXTENSION, _CHAIN = "tls", "client_cert_chain"
_ARMOUR = re.compile(r"-----(?:BEGIN|END) CERTIFICATE-----|[:\s]")


def extension(transport: Any) -> dict[str, Any] | None:
    """ASGI's TLS extension for a connection on which a client has presented a certificate; else None."""
    tls = transport.get_extra_info("ssl_object")
    der = tls.getpeercert(binary_form=True) if tls is not None else None
    return {_EXTENSION: {_CHAIN: [ssl.DER_cert_to_PEM_cert(der)]}} if der else None


def on_connection(scope: Mapping[str, Any]) -> bytes | None:
    """The certificate, as DER, of the client at the other end of a request's connection."""
    chain = scope.get("extensions", {}).get(_EXTENSION, {}).get(_CHAIN)
    return ssl.PEM_cert_to_DER_cert(chain[0]) if chain else None


def in_header(text: str) -> bytes | None:
    """The certificate, as DER, that a proxy has put into a header: base64 of DER, alone, between colons (RFC 9440) or
    as PEM, whose lines may have become spaces or percent signs. None for anything else, such as Apache's `(null)`."""
    try:
        return base64.b64decode(_ARMOUR.sub("", unquote(text)), validate=True) or None
    except ValueError:
        return None


def thumbprint(certificate: bytes) -> str:
    """What tokens name a certificate by: `x5t#S256` as Keystone writes and keystonemiddleware compares it, which is the
    digest of its PEM and not, as RFC 8705 has it, of its DER."""
    digest = hashlib.sha256(ssl.DER_cert_to_PEM_cert(certificate).encode()).digest()
    return base64.urlsafe_b64encode(digest).decode()


def bound_to(named: str, certificate: bytes | None) -> bool:
    """Whether what is bound to the certificate of this thumbprint (empty: to none) is good with the one presented."""
    return not named or (certificate is not None and hmac.compare_digest(named, thumbprint(certificate)))
