"""Which traits there are."""

from collections.abc import Iterable
from functools import cache
from typing import Any

from stackyard.kernel.errors import BadRequest, Conflict, NotFound
from stackyard.kernel.request.exchange import Reply
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.placement.dialect import answer
from stackyard.rooms.placement.resources.resource_provider import store as providers
from stackyard.rooms.placement.resources.trait import resource, store

#: The trait of a provider whose inventory all providers of its aggregates may use.
SHARES = "MISC_SHARES_VIA_AGGREGATE"


@cache
def standard() -> frozenset[str]:
    """The traits of every cloud. They are a library of some hundred modules: no start has to read them."""
    import os_traits

    return frozenset(os_traits.get_traits())


def list_all(work: Work, body: Any, query: Record) -> Reply:
    """The standard ones and the cloud's own, those of some names, those that some provider has or none."""
    own = store.custom(work)
    names = {*standard(), *(each.name for each in own)}
    if "name" in query:
        names = _named(names, query.name)
    if "associated" in query:
        used = providers.traits_in_use(work)
        names = names & used if query.associated else names - used
    return answer(work, {"traits": sorted(names)}, [each.updated_at for each in own])


def _named(names: set[str], asked: str) -> set[str]:
    how, _, text = asked.partition(":")
    if how == "in":
        return names & set(text.split(","))
    if how == "startswith":
        return {each for each in names if each.startswith(text)}
    raise BadRequest(
        f"'{asked[:80]}' does not say which names.", field="name", remedy="Give in:NAME,NAME or startswith:PREFIX."
    )


def _own(work: Work) -> Record | None:
    """The trait in the path, if it is of the cloud's own. Raises NotFound unless there is one of the name."""
    name = work.params["name"]
    known = store.get(work, name)
    if known is None and name not in standard():
        raise NotFound(f"No such trait {name}.", remedy="Ask for one of GET /traits, or create a CUSTOM_ one.")
    return known


def show(work: Work, body: Any, query: Record) -> Reply:
    """Whether there is one."""
    known = _own(work)
    return answer(work, None, [known.updated_at] if known else (), status=204)


def ensure(work: Work, body: Any, query: Record) -> Reply:
    """One of the cloud's own, there already (204) or made now (201)."""
    name = work.params["name"]
    resource.TRAIT.all_fields["name"].kind.parse(name, "name", True)
    known, status = store.get(work, name), 204
    if known is None:
        known, status = store.add(work, name), 201
    url = f"{work.base_url}/placement/traits/{name}"
    return answer(work, None, [known.updated_at], status=status, Location=url)


def delete(work: Work, body: Any, query: Record) -> None:
    """One of the cloud's own that no provider has goes."""
    name = work.params["name"]
    if _own(work) is None:
        raise BadRequest(f"Cannot delete standard trait {name}.")
    if name in providers.traits_in_use(work):
        raise Conflict(
            f"The trait {name} is in use by a resource provider.", remedy="Take it from the providers that have it."
        )
    store.remove(work, name)


def unknown(work: Work, names: Iterable[str]) -> list[str]:
    """Those of the names that are no traits."""
    return sorted({each for each in names if each not in standard() and not store.get(work, each)})


def check_known(work: Work, names: Iterable[str]) -> None:
    """Raise BadRequest naming those that are no traits."""
    if missing := unknown(work, names):
        raise BadRequest(
            f"No such trait(s): {', '.join(missing)[:255]}.", field="required", remedy="Use those of GET /traits."
        )
