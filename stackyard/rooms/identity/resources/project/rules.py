"""Use cases of projects."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from stackyard.kernel import purging
from stackyard.kernel.declare.kinds import invalid
from stackyard.kernel.errors import BadRequest, Forbidden, NotFound
from stackyard.kernel.request.exchange import Reply
from stackyard.kernel.storage import rows as kernel_rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.identity import render, rows
from stackyard.rooms.identity.policies import members
from stackyard.rooms.identity.resources.assignment import store as assignments
from stackyard.rooms.identity.resources.domain import resource as domains
from stackyard.rooms.identity.resources.domain import rules as domain_rules
from stackyard.rooms.identity.resources.limit import enforcement
from stackyard.rooms.identity.resources.project import going, resource, store
from stackyard.rooms.identity.resources.project.tags import MOST, TAG
from stackyard.rooms.identity.resources.user import belongings

#: How many projects may stand above one another below a domain, as in Keystone's default.
DEEPEST = 5


def target(work: Work, project: Mapping[str, Any]) -> Mapping[str, Any]:
    """What check strings may name. A list is judged by the caller's own domain and narrowed to it."""
    domain = project.get("domain_id")
    if "id" not in project and "name" in project:
        domain = _domain_of_new(work, project)
    return members(
        {
            "target.project.id": project.get("id"),
            "target.project.domain_id": domain,
            "target.domain_id": work.caller.domain_id,
        }
    )


def narrow(work: Work, statement: Any, query: Record) -> Any:
    """Projects without the domains among them (unless asked for), a domain's own people only theirs, by tags."""
    table = resource.PROJECT.table
    if work.caller.domain_id:
        statement = statement.where(table.c.domain_id == work.caller.domain_id)
    return store.narrowed(statement, query)


def _domain_of_new(work: Work, wanted: Mapping[str, Any]) -> str | None:
    if wanted.get("is_domain"):
        return None
    if isinstance(wanted.get("parent_id"), str):
        parent = work.tx.get(resource.PROJECT.table, id=wanted["parent_id"])
        if parent is None:
            return None
        return str(parent.id if parent.is_domain else parent.domain_id)
    return wanted.get("domain_id") or rows.own_domain(work)


def create(work: Work, wanted: Record) -> Record:
    """Make a project below its parent, or one that acts as a domain."""
    if wanted.get("is_domain"):
        if wanted.get("parent_id") or wanted.get("domain_id"):
            raise invalid("parent_id", "a project that acts as a domain has no parent and no domain.")
        rows.free_name(work, domains.DOMAIN, wanted["name"], is_domain=True)
        return kernel_rows.insert(work, resource.PROJECT, {**wanted, "domain_id": None, "parent_id": None})
    if wanted.get("parent_id"):
        rows.existing(work, resource.PROJECT, wanted["parent_id"])
    domain_id = str(_domain_of_new(work, wanted))
    domain = work.tx.get(domains.DOMAIN.table, id=domain_id, is_domain=True)
    if domain is None:
        raise BadRequest(f"Could not find domain: {domain_id}.", field="domain_id")
    if wanted.get("domain_id") not in (None, domain.id):
        raise invalid("domain_id", "the parent project is in another domain.")
    parent_id = wanted.get("parent_id") or domain.id
    _check_parent(work, parent_id)
    rows.free_name(work, resource.PROJECT, wanted["name"], domain_id=domain.id)
    return kernel_rows.insert(work, resource.PROJECT, {**wanted, "domain_id": domain.id, "parent_id": parent_id})


def _check_parent(work: Work, parent_id: str) -> None:
    parent = rows.existing(work, resource.PROJECT, parent_id)
    above = store.ancestors(work.tx, parent.id)
    if not all(each.enabled for each in (parent, *above)):
        raise Forbidden(f"Cannot create a project below {parent_id}: it, or a project above it, is disabled.")
    deepest = enforcement.deepest(work, DEEPEST)
    if len(above) >= deepest:
        raise Forbidden(
            f"Max hierarchy depth reached for {parent_id} branch.", remedy=f"At most {deepest} levels are allowed."
        )


def update(work: Work, project: Record, changes: Record) -> Record:
    """Change a project. Disabling it stops the tokens scoped to it at once."""
    rows.unchanged(project, changes, "domain_id", "is_domain")
    if "parent_id" in changes and changes.pop("parent_id") != project.parent_id:
        raise Forbidden("Update of `parent_id` is not allowed.")
    rows.mutable(resource.PROJECT, project, changes)
    if changes.get("name", project.name) != project.name:
        rows.free_name(
            work, resource.PROJECT, changes["name"], domain_id=project.domain_id, is_domain=project.is_domain
        )
    if "enabled" in changes and changes["enabled"] != project.enabled:
        _check_enabling(work, project, changes["enabled"])
    rows.merge_options(project, changes)
    return kernel_rows.change(work, resource.PROJECT, project, changes)


def _check_enabling(work: Work, project: Record, enabled: bool) -> None:
    if enabled and not all(each.enabled for each in store.ancestors(work.tx, project.id)):
        raise Forbidden(f"Cannot enable project {project.id}: it has disabled parents.")
    if not enabled and not project.is_domain and any(each.enabled for each in store.descendants(work.tx, project.id)):
        raise Forbidden(f"Cannot disable project {project.id}: its subtree contains enabled projects.")


def delete(work: Work, project: Record, query: Record) -> None:
    """Delete a project without children that holds nothing, or (`cascade`) accept that all of it goes with it. Raises
    Conflict naming what it holds."""
    rows.mutable(resource.PROJECT, project)
    if project.is_domain:
        domain_rules.delete(work, project, query)
    elif query.get("cascade"):
        going.accept(work, project, store.descendants(work.tx, project.id)[::-1])
    elif store.children(work.tx, project.id):
        raise Forbidden(f"Cannot delete project {project.id} since it is not a leaf in the hierarchy.")
    else:
        going.refuse_while_holding(work, project, [project.id])
        remove(work, project)


def remove(work: Work, project: Record) -> None:
    """The project is gone, with the roles held on it and all that is its own."""
    purging.forget(work, [project.id])
    assignments.remove_target(work.tx, project.id)
    belongings.remove_of_projects(work.tx, [project.id])
    store.forget_default(work.tx, project.id)
    kernel_rows.remove(work, resource.PROJECT, project)


def list_tags(work: Work, project: Record, body: Record, query: Record) -> dict[str, Any]:
    """The project's tags."""
    return _shown_tags(work, project, project.tags or [])


def replace_tags(work: Work, project: Record, body: Record, query: Record) -> dict[str, Any]:
    """Give the project these tags and no others."""
    return _shown_tags(work, project, _tag(work, project, body["tags"]))


def clear_tags(work: Work, project: Record, body: Record, query: Record) -> None:
    """Take all tags away."""
    _tag(work, project, [])


def check_tag(work: Work, project: Record, body: Record, query: Record) -> None:
    """Whether the project has the tag. Raises NotFound."""
    if work.params["tag"] not in (project.tags or []):
        raise NotFound(f"Could not find project tag: {work.params['tag']}.")


def add_tag(work: Work, project: Record, body: Record, query: Record) -> Reply:
    """Add a tag. Raises BadRequest when the project has it, as Keystone does."""
    tag = TAG.parse(work.params["tag"], "tag", True)
    tags = list(project.tags or [])
    if tag in tags:
        raise invalid("tags", f"the project has the tag {tag}: tags must be unique.")
    if len(tags) >= MOST:
        raise invalid("tags", f"a project has at most {MOST} tags.")
    _tag(work, project, [*tags, tag])
    return Reply(status=201, headers={"Location": f"{_tags_url(work, project)}/{quote(tag)}"})


def remove_tag(work: Work, project: Record, body: Record, query: Record) -> None:
    """Take a tag away. Raises NotFound."""
    check_tag(work, project, body, query)
    _tag(work, project, [each for each in project.tags if each != work.params["tag"]])


def _shown_tags(work: Work, project: Record, tags: Sequence[str]) -> dict[str, Any]:
    return {"tags": list(tags), "links": {"self": _tags_url(work, project)}}


def _tags_url(work: Work, project: Record) -> str:
    return render.url(work, f"projects/{project.id}/tags")


def _tag(work: Work, project: Record, tags: list[str]) -> list[str]:
    rows.mutable(resource.PROJECT, project)
    kernel_rows.change(work, resource.PROJECT, project, {"tags": sorted(tags)})
    return sorted(tags)
