"""Use cases of credentials."""

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from stackyard.kernel.errors import Forbidden
from stackyard.kernel.storage import rows as kernel_rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.identity import rows
from stackyard.rooms.identity.errors import duplicate, invalid
from stackyard.rooms.identity.keys import Sealer
from stackyard.rooms.identity.policies import members
from stackyard.rooms.identity.resources.credential import resource, store
from stackyard.rooms.identity.resources.credential.sealing import seal
from stackyard.rooms.identity.resources.token import delegation
from stackyard.rooms.identity.resources.token import store as changes
from stackyard.rooms.identity.rotation import keys_of

#: The types that log somebody in, in any case of letters.
EC2, TOTP = "ec2", "totp"
#: Bytes that a seed of passcodes has at least: RFC 4226.
_SEED = 16
#: Members of an ec2 blob that said by whose leave it was made, when a leave was enough to make one.
_LEAVES = ("trust_id", "app_cred_id", "access_token_id")


def target(work: Work, credential: Mapping[str, Any]) -> Mapping[str, Any]:
    """What check strings may name. A list is judged by the caller's own credentials and narrowed to them."""
    owner = credential.get("user_id")
    if owner is None and not credential and "id" not in work.params:
        owner = work.caller.user_id
    return members({"target.credential.user_id": owner})


def refuse_delegated(work: Work, params: Mapping[str, str]) -> None:
    """Raise Forbidden where a token that acts by somebody's leave asks for a credential, as Keystone does: what it took
    from here would outlast the leave, or be good for more."""
    if "id" in params:
        delegation.refuse_any(work)


def narrow(work: Work, statement: Any, query: Record) -> Any:
    """Show everybody theirs, and all to whom policy lets see those of nobody in particular."""
    if work.allows("identity:get_credential", {}):
        return statement
    return statement.where(resource.CREDENTIAL.table.c.user_id == work.caller.user_id)


def create(work: Work, wanted: Record) -> Record:
    """Keep a credential. Raises BadRequest for a blob that its type cannot have, Conflict for an access key that there
    is, Forbidden for a token that acts by somebody's leave."""
    delegation.refuse_any(work)
    checked = _checked(wanted)
    if _is_ec2(wanted) and store.by_id(work.tx, checked["id"]) is not None:
        raise duplicate("credential", f"Duplicate entry found with access key of {checked['id']}")
    return kernel_rows.insert(work, resource.CREDENTIAL, {**checked, **seal(work, checked["blob"], "blob")})


def update(work: Work, credential: Record, changes: Record) -> Record:
    """Change a credential. Whose it becomes must be somebody for whom the caller may keep it."""
    before = {**credential, "blob": opened(work, credential)}
    after = Record({**before, **changes})
    if not work.allows("identity:update_credential", {**after, **target(work, after)}):
        raise Forbidden("You are not authorized to perform the requested action: identity:update_credential.")
    checked = _checked(after)
    rows.unchanged(credential, changes, "id")
    if "blob" in changes:
        changes.update(seal(work, checked["blob"], "blob"), used_step=None)
    return kernel_rows.change(work, resource.CREDENTIAL, credential, changes)


def opened(work: Work, credential: Record) -> str:
    """The blob as it was given."""
    if "opened" not in credential:
        load(work, [credential])
    return str(credential.opened)


def load(work: Work, credentials: Sequence[Record]) -> None:
    """Open the blobs of credentials. Raises RuntimeError when the key of one is gone."""
    sealer, version = Sealer(keys_of(work.services).credentials), changes.version(work.tx)
    for each in credentials:
        found = sealer.open(work.tx, each.blob, version)
        if found is None:
            raise RuntimeError(f"no key of this cloud opens the credential {each.id}")
        each["opened"] = found.decode()


def _is_ec2(credential: Mapping[str, Any]) -> bool:
    return bool(credential["type"].lower() == EC2)


def _checked(credential: Record) -> Record:
    """The credential if its blob is what its type needs; an ec2 one under the id that its access key gives it."""
    if credential["type"].lower() == TOTP:
        _check_seed(credential["blob"])
    if not _is_ec2(credential):
        return Record(credential)
    if not credential.get("project_id"):
        raise invalid("project_id", "is required for type ec2.")
    blob = _blob(credential)
    return Record({**credential, "id": credential.get("id") or access_id(str(blob["access"]))})


def access_id(access: str) -> str:
    """The id of the credential with this access key."""
    return hashlib.sha256(access.encode()).hexdigest()


def _blob(credential: Mapping[str, Any]) -> dict[str, Any]:
    try:
        blob = msgspec.json.decode(credential["blob"])
    except (msgspec.DecodeError, RecursionError):
        blob = None
    if not isinstance(blob, dict):
        raise invalid("blob", "is a JSON object for type ec2.")
    for name in ("access", "secret"):
        if not isinstance(blob.get(name), str) or not blob[name]:
            raise invalid(f"blob.{name}", "is required for type ec2.")
    if named := names_a_leave(blob):
        raise invalid(f"blob.{named}", "is nothing to say: no leave is enough to make a credential.")
    return blob


def names_a_leave(blob: Mapping[str, Any]) -> str | None:
    """The member of an ec2 blob that says by whose leave it was made; such keys are good for nothing any more."""
    return next((name for name in _LEAVES if blob.get(name)), None)


def _check_seed(blob: str) -> None:
    try:
        seed = decoded_seed(blob)
    except (binascii.Error, ValueError):
        seed = b""
    if len(seed) < _SEED:
        raise invalid("blob", f"is the seed of passcodes in base32, of at least {_SEED} bytes, for type totp.")


def decoded_seed(blob: str) -> bytes:
    """The seed of passcodes. Raises ValueError when it is none."""
    text = blob.strip()
    return base64.b32decode(text + "=" * (-len(text) % 8), casefold=True)
