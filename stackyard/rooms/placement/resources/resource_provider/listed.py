"""Which providers a list shows. Source: Placement API reference, "List resource providers"."""

from typing import Any

from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.placement.resources.allocation_candidate import asked
from stackyard.rooms.placement.resources.resource_class import rules as classes
from stackyard.rooms.placement.resources.resource_provider import resource, store
from stackyard.rooms.placement.resources.trait import rules as traits
from stackyard.rooms.placement.resources.usage import store as usages


def narrow(work: Work, statement: Any, query: Record) -> Any:
    """The providers that the query string asks for, in the order in which they were made."""
    source = resource.RESOURCE_PROVIDER.table
    for name in ("name", "uuid"):
        if name in query:
            statement = statement.where(source.c[name] == query[name])
    if "in_tree" in query:
        statement = statement.where(store.in_tree(query.in_tree))
    if "member_of" in query:
        wanted = asked.member_of(work, "member_of", query.member_of)
        statement = statement.where(*store.having(store.AGGREGATES.c.aggregate, wanted))
    if "required" in query:
        needed = asked.required(work, "required", query.required)
        traits.check_known(work, needed.named)
        statement = statement.where(*store.having(store.TRAITS.c.trait, needed))
    if "resources" in query:
        amounts = asked.resources("resources", query.resources)
        classes.check_known(work, amounts)
        statement = statement.where(*(store.able(each, amounts[each], usages.of_class(each)) for each in amounts))
    return statement.order_by(source.c.created_at)
