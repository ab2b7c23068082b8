"""What may be done with namespaces and their parts. Everybody reads what is public; administrators write."""

from collections.abc import Mapping
from typing import Any

from stackyard.kernel.declare.resource import Allow
from stackyard.kernel.errors import BadRequest, Conflict, Forbidden, NotFound
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.image.resources.metadef import store
from stackyard.rooms.image.resources.metadef.shapes import NAMESPACE, PARTS, PROPERTY, RESOURCE_TYPE, TAG, TAGS, Part

_READER = "role:admin or (role:reader and (project_id:%(project_id)s or 'public':%(visibility)s))"
_READ = (
    "get_metadef_namespace", "get_metadef_object", "get_metadef_objects", "get_metadef_property",
    "get_metadef_properties", "get_metadef_tag", "get_metadef_tags", "get_metadef_resource_type",
)  # fmt: skip
_WRITE = (
    "add_metadef_namespace", "modify_metadef_namespace", "delete_metadef_namespace", "add_metadef_object",
    "modify_metadef_object", "delete_metadef_object", "add_metadef_property", "modify_metadef_property",
    "remove_metadef_property", "add_metadef_tag", "add_metadef_tags", "modify_metadef_tag", "delete_metadef_tag",
    "delete_metadef_tags", "add_metadef_resource_type_association", "remove_metadef_resource_type_association",
)  # fmt: skip
POLICIES = (*(Allow(name, _READER) for name in _READ), *(Allow(name, "role:admin") for name in _WRITE))

#: Policy's names for what is done to the parts: Glance gives two kinds names of their own.
_VERBS = {
    PROPERTY: {"add": "add_metadef_property", "modify": "modify_metadef_property", "delete": "remove_metadef_property"},
    RESOURCE_TYPE: {
        "add": "add_metadef_resource_type_association",
        "delete": "remove_metadef_resource_type_association",
    },
}


def _policy(verb: str, part: Part) -> str:
    return _VERBS.get(part, {}).get(verb, f"{verb}_metadef_{part.kind}")


def check(work: Work, rule: str, namespace: Mapping[str, Any]) -> None:
    """Raise Forbidden unless policy lets the caller do `rule` in the namespace."""
    if not work.allows(rule, {**namespace, "project_id": namespace["owner"]}):
        raise Forbidden(f"You are not permitted to do this to metadata definitions (policy rule '{rule}').")


def find(work: Work, name: str) -> Record:
    """A namespace the caller may see. Raises NotFound."""
    found = store.namespace(work, name)
    if found is None or not work.allows("get_metadef_namespace", {**found, "project_id": found.owner}):
        raise NotFound(f"Metadata definition namespace not found: {name[:255]}")
    return found


def create(work: Work, body: Any) -> Record:
    """Add a namespace with all its parts. Raises Forbidden, Conflict when the name is taken."""
    given = dict(NAMESPACE.parse(body, "body", True))
    values = _attributes(work, given)
    check(work, "add_metadef_namespace", values)
    if store.namespace(work, values["namespace"]):
        raise Conflict(f"The metadata definition namespace {values['namespace']} already exists.", field="namespace")
    record = store.add_namespace(work, values)
    properties = [{"name": name, **each} for name, each in given.get("properties", {}).items()]
    for part in PARTS:
        for each in properties if part is PROPERTY else given.get(part.plural, []):
            _add(work, record, part, each)
    return record


def update(work: Work, name: str, body: Any) -> Record:
    """Give a namespace other attributes; what is left out gets its default. Raises Conflict when the name is taken."""
    record = find(work, name)
    check(work, "modify_metadef_namespace", record)
    given = NAMESPACE.parse(body, "body", True)
    for part in PARTS:
        if part.plural in given:
            raise BadRequest(f"The {part.plural} of a namespace are changed at their own paths.", field=part.plural)
    values = _attributes(work, given)
    if values["namespace"] != name and store.namespace(work, values["namespace"]):
        raise Conflict(f"The metadata definition namespace {values['namespace']} already exists.", field="namespace")
    return store.change_namespace(work, record, values)


def _attributes(work: Work, given: Mapping[str, Any]) -> dict[str, Any]:
    defaults = {
        "display_name": None, "description": None, "visibility": "private", "protected": False,
        "owner": work.caller.project_id or "",
    }  # fmt: skip
    return {"namespace": given["namespace"], **{name: given.get(name, value) for name, value in defaults.items()}}


def delete(work: Work, name: str) -> None:
    """Remove a namespace and its parts. Raises Forbidden when it is protected."""
    record = find(work, name)
    check(work, "delete_metadef_namespace", record)
    _unprotected(record, f"Metadata definition namespace {name}")
    store.remove_namespace(work, name)


def _unprotected(record: Record, what: str) -> None:
    if record.protected:
        raise Forbidden(f"{what} is protected and cannot be deleted.", remedy="Set protected to false first.")


def parts(work: Work, name: str, part: Part) -> list[Record]:
    """The parts of one kind."""
    namespace = find(work, name)
    check(work, "get_metadef_resource_type" if part is RESOURCE_TYPE else f"get_metadef_{part.plural}", namespace)
    return store.parts(work, [name], part.kind)


def part(work: Work, name: str, part: Part, part_name: str) -> Record:
    """One part. Raises NotFound."""
    check(work, f"get_metadef_{part.kind}", find(work, name))
    return _found(work, name, part, part_name)


def _found(work: Work, name: str, part: Part, part_name: str) -> Record:
    found = store.part(work, name, part.kind, part_name)
    if found is None:
        raise NotFound(f"The metadata definition {part.title} {part_name[:255]} was not found in namespace {name}.")
    return found


def add(work: Work, name: str, part: Part, body: Any) -> Record:
    """Add a part. Raises Forbidden, Conflict when there is one of that name."""
    namespace = find(work, name)
    check(work, _policy("add", part), namespace)
    return _add(work, namespace, part, part.shape.parse(body, "body", True))


def _add(work: Work, namespace: Record, part: Part, given: Mapping[str, Any]) -> Record:
    _not_taken(work, namespace.namespace, part, given["name"])
    return store.add_part(work, namespace.namespace, part.kind, given)


def _not_taken(work: Work, name: str, part: Part, part_name: str) -> None:
    if store.part(work, name, part.kind, part_name):
        raise Conflict(
            f"A metadata definition {part.title} with name={part_name} already exists in namespace={name}.",
            field="name",
        )


def add_tags(work: Work, name: str, body: Any, *, keep: bool) -> list[Record]:
    """Set the tags of a namespace, or (`keep`) add to those there are. Raises Conflict for a tag named twice."""
    namespace = find(work, name)
    check(work, "add_metadef_tags", namespace)
    given = TAGS.parse(body, "body", True)
    if not keep:
        store.remove_parts(work, name, TAG.kind)
    return [_add(work, namespace, TAG, each) for each in given["tags"]]


def change(work: Work, name: str, part: Part, part_name: str, body: Any) -> Record:
    """Write a part anew. Raises NotFound, Conflict when a new name is taken."""
    namespace = find(work, name)
    check(work, _policy("modify", part), namespace)
    record = _found(work, name, part, part_name)
    given = part.shape.parse(body, "body", True)
    if given["name"] != part_name:
        _not_taken(work, name, part, given["name"])
    return store.change_part(work, record, given)


def remove(work: Work, name: str, part: Part, part_name: str) -> None:
    """Remove a part. Raises NotFound, Forbidden when the namespace is protected."""
    namespace = find(work, name)
    check(work, _policy("delete", part), namespace)
    _found(work, name, part, part_name)
    _unprotected(namespace, f"Metadata definition {part.title} {part_name}")
    store.remove_part(work, name, part.kind, part_name)


def remove_all(work: Work, name: str, part: Part) -> None:
    """Remove all parts of a kind. Raises Forbidden when the namespace is protected."""
    namespace = find(work, name)
    check(work, "delete_metadef_tags" if part is TAG else "delete_metadef_namespace", namespace)
    _unprotected(namespace, f"Metadata definition namespace {name}")
    store.remove_parts(work, name, part.kind)
