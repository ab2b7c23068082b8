"""What goes with a user or a project when it is deleted: everything that is theirs and nobody else's."""

from typing import Any

from stackyard.kernel.storage.database import Transaction
from stackyard.rooms.identity.resources.application_credential import store as application_credentials
from stackyard.rooms.identity.resources.credential import store as credentials
from stackyard.rooms.identity.resources.endpoint_filter import store as filters
from stackyard.rooms.identity.resources.limit import store as limits
from stackyard.rooms.identity.resources.oauth1 import store as access_tokens
from stackyard.rooms.identity.resources.password import store as passwords
from stackyard.rooms.identity.resources.trust import store as trusts


def remove_of_users(tx: Transaction, user_ids: Any) -> None:
    """Delete what these users have. `user_ids`: a list or a select."""
    application_credentials.remove_of_users(tx, user_ids)
    passwords.forget(tx, user_ids)
    credentials.remove_of_users(tx, user_ids)
    access_tokens.remove_of_users(tx, user_ids)
    trusts.remove_of_users(tx, user_ids)


def remove_of_projects(tx: Transaction, project_ids: Any) -> None:
    """Delete what is for these projects. `project_ids`: a list or a select."""
    application_credentials.remove_of_projects(tx, project_ids)
    filters.forget_projects(tx, project_ids)
    limits.forget_holders(tx, project_ids)
    credentials.remove_of_projects(tx, project_ids)
    access_tokens.remove_of_projects(tx, project_ids)
    trusts.remove_of_projects(tx, project_ids)
