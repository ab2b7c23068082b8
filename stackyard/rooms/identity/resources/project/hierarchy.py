"""What stands above and below a project, as its answer shows it when asked for: as nested ids, or as a list of those
that the caller has a role on, with their limits if wanted."""

from collections.abc import Sequence
from typing import Any

from stackyard.kernel.declare.kinds import invalid
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.identity import render
from stackyard.rooms.identity.resources.limit import resource as limits
from stackyard.rooms.identity.resources.limit import store as limit_store
from stackyard.rooms.identity.resources.project import resource, store
from stackyard.rooms.identity.resources.user import store as users


def view(work: Work, project: Record, shown: dict[str, Any]) -> dict[str, Any]:
    """Add the hierarchy to the answer about the project that the path names."""
    if work.params.get("id") != project.id:
        return shown
    for tree in ("parents", "subtree"):
        if _asked(work, f"{tree}_as_ids") and _asked(work, f"{tree}_as_list"):
            raise invalid(f"{tree}_as_ids", "a tree can be shown as ids or as a list, not as both.")
    if _asked(work, "parents_as_ids"):
        shown["parents"] = store.nested_parents(work.tx, project)
    elif _asked(work, "parents_as_list"):
        shown["parents"] = _known(work, store.ancestors(work.tx, project.id))
    if _asked(work, "subtree_as_ids"):
        shown["subtree"] = store.nested_children(work.tx, project.id)
    elif _asked(work, "subtree_as_list"):
        shown["subtree"] = _known(work, store.descendants(work.tx, project.id))
    return shown


def _asked(work: Work, name: str) -> bool:
    return name in work.query and work.query[name].lower() not in ("0", "false")


def _known(work: Work, projects: Sequence[Record]) -> list[dict[str, Any]]:
    own = {each.id for each in users.projects_of(work.tx, work.caller.user_id or "")}
    return [{"project": _with_limits(work, each)} for each in projects if each.id in own]


def _with_limits(work: Work, project: Record) -> dict[str, Any]:
    # Rendered as on its own: without a path that names it, no hierarchy is added to it in turn.
    shown = render.item(work, resource.PROJECT, project)
    if _asked(work, "include_limits"):
        found = limit_store.of_project(work.tx, project.id)
        shown["limits"] = [render.item(work, limits.LIMIT, each) for each in found]
    return shown
