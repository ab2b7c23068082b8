"""EC2 credentials as the OS-EC2 extension shows them: a view of the credentials of type ec2."""

import secrets
from typing import Any

import msgspec

from stackyard.kernel.errors import BadRequest
from stackyard.kernel.request.exchange import Request
from stackyard.kernel.storage import rows as kernel_rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.identity import render, rows
from stackyard.rooms.identity.errors import denied, invalid, unknown
from stackyard.rooms.identity.resources.credential import resource as credentials
from stackyard.rooms.identity.resources.credential import rules, store
from stackyard.rooms.identity.resources.project import resource as projects
from stackyard.rooms.identity.resources.token import delegation
from stackyard.rooms.identity.resources.user import resource as users


def listed(work: Work, request: Request) -> dict[str, Any]:
    """A user's EC2 credentials."""
    delegation.refuse_any(work)
    user = rows.existing(work, users.USER, request.params["user_id"])
    found = store.of_user(work.tx, user.id, "ec2")
    return render.listing(work, "credentials", [_shown(work, each) for each in found], _path(user.id))


def create(work: Work, request: Request) -> dict[str, Any]:
    """A fresh pair of keys for a project. Raises NotFound for an unknown user or project."""
    user_id = request.params["user_id"]
    _judge(work, "ec2_create_credential", user_id)
    delegation.refuse_any(work)
    rows.existing(work, users.USER, user_id)
    project = rows.existing(work, projects.PROJECT, _project_id(request.body))
    blob = {"access": secrets.token_hex(16), "secret": secrets.token_hex(16)}
    wanted = {"user_id": user_id, "project_id": project.id, "type": "ec2", "blob": msgspec.json.encode(blob).decode()}
    return {"credential": _shown(work, rules.create(work, Record(wanted)))}


def _project_id(body: Any) -> str:
    if not isinstance(body, dict):
        raise BadRequest("Expecting to find tenant_id in request body.", field="tenant_id")
    if not isinstance(body.get("tenant_id"), str):
        raise invalid("tenant_id", "is required: the id of a project.")
    return str(body["tenant_id"])


def show(work: Work, request: Request) -> dict[str, Any]:
    """One of the user's EC2 credentials."""
    return {"credential": _shown(work, _found(work, request, "ec2_get_credential"))}


def delete(work: Work, request: Request) -> None:
    """Delete one. What was signed with it is refused from now on."""
    kernel_rows.remove(work, credentials.CREDENTIAL, _found(work, request, "ec2_delete_credential"))


def _found(work: Work, request: Request, action: str) -> Record:
    """What the path names: by its access key alone, as in Keystone; policy is asked about its owner. A key that nobody
    has is 404 to everybody."""
    access = request.params["access"]
    found = store.by_id(work.tx, rules.access_id(access))
    if found is None or found.type != "ec2":
        raise unknown("credential", access)
    _judge(work, action, found.user_id)
    delegation.refuse_any(work)
    return found


def _judge(work: Work, action: str, owner: str) -> None:
    if not work.allows(f"identity:{action}", {"target.credential.user_id": owner}):
        raise denied(action)


def _shown(work: Work, credential: Record) -> dict[str, Any]:
    blob = msgspec.json.decode(rules.opened(work, credential))
    return {
        "user_id": credential.user_id,
        "tenant_id": credential.project_id,
        "access": blob["access"],
        "secret": blob["secret"],
        # A member of the API, from when keys could be made with a trust.
        "trust_id": None,
        "links": {"self": render.url(work, f"{_path(credential.user_id)}/{blob['access']}")},
    }


def _path(user_id: str) -> str:
    return f"users/{user_id}/credentials/OS-EC2"
