"""Protocols of identity providers. Source: Identity API v3, OS-FEDERATION, "Protocols"."""

from collections.abc import Mapping
from typing import Any

from stackyard.kernel.declare.kinds import Text, invalid
from stackyard.kernel.declare.resource import Field, Resource, everyone
from stackyard.kernel.errors import Conflict
from stackyard.kernel.storage import rows as kernel_rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.identity import render, rows
from stackyard.rooms.identity.policies import ADMIN, ADMIN_OR_SYSTEM_READER, allow
from stackyard.rooms.identity.resources.federation import store
from stackyard.rooms.identity.resources.identity_provider import resource as providers
from stackyard.rooms.identity.resources.mapping import resource as mappings


def within(work: Work, params: Mapping[str, str]) -> None:
    """The identity provider must be there. Raises NotFound."""
    rows.existing(work, providers.IDENTITY_PROVIDER, params["idp_id"])


def view(work: Work, protocol: Record, shown: dict[str, Any]) -> dict[str, Any]:
    """Add the address of its identity provider; in a list, name it."""
    shown["links"]["identity_provider"] = render.url(work, f"OS-FEDERATION/identity_providers/{protocol.idp_id}")
    if "id" in work.params:
        if shown["remote_id_attribute"] is None:
            del shown["remote_id_attribute"]
        return shown
    return {**shown, "idp_id": protocol.idp_id}


def create(work: Work, wanted: Record) -> Record:
    """Add a protocol to an identity provider. Raises Conflict when it has one of that id."""
    _check_mapping(work, wanted)
    if work.tx.get(PROTOCOL.table, id=wanted["id"], idp_id=wanted["idp_id"]) is not None:
        raise Conflict(
            f"Conflict occurred attempting to store federation_protocol - Duplicate ID, {wanted['id']}.", field="id"
        )
    return kernel_rows.insert(work, PROTOCOL, wanted)


def update(work: Work, protocol: Record, changes: Record) -> Record:
    """Give a protocol another mapping, or another attribute that names the provider."""
    if "mapping_id" in changes:
        _check_mapping(work, changes)
    return kernel_rows.change(work, PROTOCOL, protocol, changes)


def _check_mapping(work: Work, given: Record) -> None:
    if work.tx.get(mappings.MAPPING.table, id=given["mapping_id"]) is None:
        raise invalid("mapping_id", f"there is no mapping {given['mapping_id']}.")


def delete(work: Work, protocol: Record, query: Record) -> None:
    """Take a protocol from its identity provider; who came by it cannot log in by it again."""
    store.forget_protocol(work.tx, protocol.idp_id, protocol.id)
    kernel_rows.remove(work, PROTOCOL, protocol)


PROTOCOL = Resource(
    name="protocol",
    path="/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols",
    table_name="identity_protocol",
    id_from="path",
    unknown_fields="refuse",
    parents={"idp_id": "idp_id"},
    within=within,
    fields=[
        Field(name="id", kind=Text(min=1, max=64), create=False, update=False, doc="The protocol's id."),
        Field(
            name="idp_id",
            kind=Text(max=64),
            create=False,
            update=False,
            read=False,
            filter=False,
            sort=False,
            doc="The identity provider.",
        ),
        Field(
            name="mapping_id",
            kind=Text(min=1, max=64),
            required=True,
            index=True,
            doc="The mapping that its assertions are read with.",
        ),
        Field(
            name="remote_id_attribute",
            kind=Text(max=64),
            default=None,
            null=True,
            doc="The attribute of assertions that names the provider, compared with its remote ids.",
        ),
    ],
    visible=everyone,
    view=view,
    policy={
        "list": allow("list_protocols", ADMIN_OR_SYSTEM_READER),
        "show": allow("get_protocol", ADMIN_OR_SYSTEM_READER),
        "create": allow("create_protocol", ADMIN),
        "update": allow("update_protocol", ADMIN),
        "delete": allow("delete_protocol", ADMIN),
    },
    create=create,
    update=update,
    delete=delete,
    doc="A protocol is a way of logging in at an identity provider, with the mapping that says what comes of it.",
)
