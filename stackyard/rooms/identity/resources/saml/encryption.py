"""Assertions that are encrypted to this cloud, opened. Sources: XML Encryption Syntax and Processing 1.1, of which
section 6.1 is why not all of it is taken; SAML 2.0 Core, section 2.3.4.

Whoever knows the cloud's certificate can encrypt: that something opens says nothing of who it is by. And whoever may
change what others have encrypted, and is told what becomes of it, can read it in a few thousand attempts, unless each
change is noticed before anything is looked at. So the cipher must notice (AES-GCM), or a signature around it must have
been checked before (then AES-CBC is as good); keys come by RSA-OAEP alone; and all that fails afterwards is one answer.
"""

import base64
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from stackyard.kernel.work import Services
from stackyard.rooms.identity.resources.saml.xml import SPACES, Element, fragment, name
from stackyard.rooms.identity.rotation import keys_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.padding import OAEP
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

_XENC, _XENC11, _DS = SPACES["xenc"], SPACES["xenc11"], SPACES["ds"]
_SIZES = {"aes128": 16, "aes192": 24, "aes256": 32}
#: Bytes of a key, by the cipher's name.
NOTICING = {f"{_XENC11}{each}-gcm": size for each, size in _SIZES.items()}
_UNNOTICING = {f"{_XENC}{each}-cbc": size for each, size in _SIZES.items()}
_OAEP, _OAEP11 = f"{_XENC}rsa-oaep-mgf1p", f"{_XENC11}rsa-oaep"
TRANSPORTS = (_OAEP11, _OAEP)
#: How often the key may come along, once for each of those who may read it. Each costs an operation of RSA.
_MOST = 4
_IV, _BLOCK = 12, 16

Unlocking = Callable[[], Sequence["RSAPrivateKey"]]


def unlocking(services: Services) -> Unlocking:
    """What finds the cloud's keys for what is encrypted to it: all of the ring, so that a rotation is noticed by
    nobody. Opens a transaction."""

    def keys() -> Sequence["RSAPrivateKey"]:
        with services.database.read() as tx:
            return [_loaded(each.secret) for each in keys_of(services).decryption.keys(tx)]

    return keys


@lru_cache(maxsize=8)
def _loaded(pem: bytes) -> "RSAPrivateKey":
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    # It is of our own making and was sealed since: to check it again takes a hundred times as long as to open with it.
    return load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)  # type: ignore[return-value]


def opened(encrypted: Element, unlock: Unlocking, *, checked: bool) -> Element:
    """The assertion in a `saml:EncryptedAssertion`. `checked`: a signature that covers it has been verified. Raises
    ValueError, saying no more than anybody can see who looks at what is encrypted."""
    data = _only(encrypted, "xenc:EncryptedData")
    cipher = _algorithm(data)
    sizes = NOTICING | _UNNOTICING if checked else NOTICING
    if cipher not in sizes:
        raise ValueError(f"it is encrypted by {cipher}, and must be by AES-GCM, or in a signed response by AES-CBC")
    keys = list(encrypted.iter(name("xenc:EncryptedKey")))
    if not 1 <= len(keys) <= _MOST:
        raise ValueError(f"it must come with its key, for {_MOST} readers at the most")
    paddings = [(_padding(each), _value(each)) for each in keys]
    sealed = _value(data)
    for key in _contents(paddings, unlock(), sizes[cipher]):
        plain = _deciphered(sealed, key, cipher)
        found = None if plain is None else _assertion(plain, data)
        if found is not None:
            return found
    raise ValueError("it is encrypted, and no key of this cloud opens it")


def _contents(
    paddings: Sequence[tuple["OAEP", bytes]], keys: Sequence["RSAPrivateKey"], size: int
) -> Sequence[bytes]:
    """What the keys that came along may be."""
    found = [_decrypted(key, value, padding) for padding, value in paddings for key in keys]
    return [each for each in found if each is not None and len(each) == size]


def _decrypted(key: "RSAPrivateKey", value: bytes, padding: "OAEP") -> bytes | None:
    try:
        return key.decrypt(value, padding)
    except ValueError:
        return None


def _deciphered(sealed: bytes, key: bytes, cipher: str) -> bytes | None:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.ciphers.modes import CBC

    try:
        if cipher in NOTICING:
            return AESGCM(key).decrypt(sealed[:_IV], sealed[_IV:], None)
        opening = Cipher(AES(key), CBC(sealed[:_BLOCK])).decryptor()
        padded = opening.update(sealed[_BLOCK:]) + opening.finalize()
    except (InvalidTag, ValueError):
        return None
    # The last byte says how many there are too many; the others may be anything.
    return padded[: -padded[-1]] if padded and 1 <= padded[-1] <= _BLOCK else None


def _assertion(plain: bytes, data: Element) -> Element | None:
    try:
        found = fragment(plain, data)
    except ValueError:
        return None
    return found if found.tag == name("saml:Assertion") else None


def _padding(key: Element) -> "OAEP":
    from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP

    transport = _algorithm(key)
    if transport not in TRANSPORTS:
        raise ValueError(f"its key is encrypted by {transport}, and must be by RSA-OAEP")
    method = _only(key, "xenc:EncryptionMethod")
    mask = _part(method, "xenc11:MGF", f"{_XENC11}mgf1sha1") if transport == _OAEP11 else f"{_XENC11}mgf1sha1"
    digest = _part(method, "ds:DigestMethod", f"{_DS}sha1")
    label = method.findtext(name("xenc:OAEPparams"))
    return OAEP(MGF1(_hash(mask)), _hash(digest), None if label is None else _bytes(label))


def _hash(algorithm: str) -> "HashAlgorithm":
    """The hash that an algorithm's name ends with. What it is to do here needs no resistance to collisions."""
    from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA384, SHA512

    known: dict[str, HashAlgorithm] = {"sha1": SHA1(), "sha256": SHA256(), "sha384": SHA384(), "sha512": SHA512()}
    found = known.get(algorithm.rpartition("#")[2].removeprefix("mgf1"))
    if found is None:
        raise ValueError(f"its key is encrypted with the hash {algorithm}, which is not taken")
    return found


def _part(method: Element, tag: str, default: str) -> str:
    found = method.find(name(tag))
    return default if found is None else str(found.get("Algorithm"))


def _algorithm(encrypted: Element) -> str:
    return str(_only(encrypted, "xenc:EncryptionMethod").get("Algorithm"))


def _value(encrypted: Element) -> bytes:
    """The octets, which must stand in the document: nothing is fetched."""
    return _bytes(_only(_only(encrypted, "xenc:CipherData"), "xenc:CipherValue").text or "")


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        raise ValueError("what is encrypted must be base64") from None


def _only(element: Element, tag: str) -> Element:
    found = element.findall(name(tag))
    if len(found) != 1:
        raise ValueError(f"what is encrypted must have one {tag.partition(':')[2]}")
    return found[0]
