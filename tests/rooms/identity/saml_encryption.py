"""Assertions encrypted to a cloud: by xmlsec1, and in ways of our own that no program offers."""

import base64
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

XENC, XENC11 = "http://www.w3.org/2001/04/xmlenc#", "http://www.w3.org/2009/xmlenc11#"
_SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
GCM, CBC, OAEP = f"{XENC11}aes128-gcm", f"{XENC}aes128-cbc", f"{XENC}rsa-oaep-mgf1p"

_TEMPLATE = """<xenc:EncryptedData xmlns:xenc="{xenc}" xmlns:ds="http://www.w3.org/2000/09/xmldsig#"
Type="{xenc}Element"><xenc:EncryptionMethod Algorithm="{cipher}"/><ds:KeyInfo><xenc:EncryptedKey>
<xenc:EncryptionMethod Algorithm="{transport}">{parts}</xenc:EncryptionMethod><xenc:CipherData>
<xenc:CipherValue>{key}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo><xenc:CipherData>
<xenc:CipherValue>{sealed}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>"""


def by_xmlsec1(response: Any, certificate: x509.Certificate, cipher: str, transport: str = OAEP) -> None:
    """Let xmlsec1 encrypt the assertion in a response."""
    with tempfile.TemporaryDirectory() as folder:
        template, document, known = (Path(folder, each) for each in ("template.xml", "document.xml", "known.pem"))
        empty = {"key": "", "sealed": "", "parts": ""}
        template.write_text(_TEMPLATE.format(xenc=XENC, cipher=cipher, transport=transport, **empty))
        document.write_bytes(etree.tostring(response))
        known.write_bytes(certificate.public_bytes(Encoding.PEM))
        session = cipher.rpartition("#")[2].partition("-")[0].replace("aes", "aes-")
        command = ["xmlsec1", "--encrypt", "--pubkey-cert-pem", known, "--session-key", session, "--xml-data", document,
                   "--node-xpath", "/*/*[local-name()='Assertion']", template]  # fmt: skip
        done = subprocess.run(command, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
    made = etree.fromstring(done.stdout).find(f"{{{XENC}}}EncryptedData")
    _put(response, made)


def put(response: Any, certificate: x509.Certificate, *, text: bytes | None = None, **named: Any) -> None:
    """Encrypt the assertion in a response, or another text in its place. `named`: see `data`."""
    assertion = response.find(f"{{{_SAML}}}Assertion")
    plain = etree.tostring(assertion) if text is None else text
    _put(response, etree.fromstring(data(plain, certificate, **named)))


def _put(response: Any, made: Any) -> None:
    assertion = response.find(f"{{{_SAML}}}Assertion")
    around = etree.Element(f"{{{_SAML}}}EncryptedAssertion", nsmap={"a": _SAML})
    around.append(made)
    response.replace(assertion, around)


def data(
    plain: bytes,
    certificate: x509.Certificate,
    *,
    cipher: str = GCM,
    transport: str = OAEP,
    parts: str = "",
    pad: Any = None,
    twist: Callable[[bytes], bytes] = lambda sealed: sealed,
) -> str:
    """An `EncryptedData`. `cipher`, `transport`: what it says that it is (it is GCM or CBC of 128 bits). `parts`: what
    the method of the key has in it. `pad`: how the key is. `twist`: what is done to what is sealed."""
    key = os.urandom(16)
    public = certificate.public_key()
    assert isinstance(public, RSAPublicKey)
    pad = pad or padding.OAEP(padding.MGF1(SHA1()), SHA1(), None)
    nonce = os.urandom(16)
    if cipher.endswith("cbc"):
        sealing = Cipher(algorithms.AES(key), modes.CBC(nonce)).encryptor()
        more = 16 - len(plain) % 16
        sealed = nonce + sealing.update(plain + bytes(more - 1) + bytes([more])) + sealing.finalize()
    else:
        sealed = nonce[:12] + AESGCM(key).encrypt(nonce[:12], plain, None)
    texts = [base64.b64encode(each).decode() for each in (public.encrypt(key, pad), twist(sealed))]
    return _TEMPLATE.format(xenc=XENC, cipher=cipher, transport=transport, parts=parts, key=texts[0], sealed=texts[1])
