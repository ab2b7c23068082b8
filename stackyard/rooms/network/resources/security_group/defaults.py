"""Every project's group named default, made when the project first looks at or needs its groups."""

from stackyard.kernel.caller import Caller, service_caller
from stackyard.kernel.storage.database import Record, Transaction
from stackyard.kernel.work import Services, Work
from stackyard.rooms.network.resources.security_group import store


def ensure_for(services: Services, project_id: str | None) -> None:
    """Make the project's default group unless it is there."""
    if not project_id:
        return
    with services.database.read() as tx:
        if store.default_or_none(_work(services, tx, project_id), project_id):
            return
    with services.database.write() as tx:
        store.default_of(_work(services, tx, project_id), project_id)


def _work(services: Services, tx: Transaction, project_id: str) -> Work:
    return services.work(tx, service_caller("network", project_id=project_id))


def before_list(services: Services, caller: Caller, query: Record) -> None:
    """The default group is in the project's first list."""
    ensure_for(services, caller.project_id)
