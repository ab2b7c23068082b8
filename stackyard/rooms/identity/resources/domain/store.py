"""What a domain owns, across the room's tables."""

import sqlalchemy as sa

from stackyard.kernel.storage.database import Transaction
from stackyard.rooms.identity.resources.assignment import store as assignments
from stackyard.rooms.identity.resources.domain_config import store as configurations
from stackyard.rooms.identity.resources.federation import store as federation
from stackyard.rooms.identity.resources.group import resource as groups
from stackyard.rooms.identity.resources.group import store as memberships
from stackyard.rooms.identity.resources.limit import store as limits
from stackyard.rooms.identity.resources.project import resource as projects
from stackyard.rooms.identity.resources.role import resource as roles
from stackyard.rooms.identity.resources.role import store as implications
from stackyard.rooms.identity.resources.user import belongings
from stackyard.rooms.identity.resources.user import resource as users


def id_taken(tx: Transaction, domain_id: str) -> bool:
    """Whether a domain or project has this id."""
    return tx.get(projects.PROJECT.table, id=domain_id) is not None


def remove_contents(tx: Transaction, domain_id: str) -> None:
    """Delete a domain's users, groups, projects and roles, and what is granted to, by or on them."""
    assignment, membership, implied = assignments.ASSIGNMENT, memberships.MEMBERSHIP, implications.IMPLIED
    user, group = users.USER.table, groups.GROUP.table
    project, role = projects.PROJECT.table, roles.ROLE.table
    owned_users = sa.select(user.c.id).where(user.c.domain_id == domain_id)
    owned_groups = sa.select(group.c.id).where(group.c.domain_id == domain_id)
    owned_projects = sa.select(project.c.id).where(project.c.domain_id == domain_id)
    owned_roles = sa.select(role.c.id).where(role.c.domain_id == domain_id)
    tx.execute(
        sa.delete(membership).where(membership.c.user_id.in_(owned_users) | membership.c.group_id.in_(owned_groups))
    )
    tx.execute(
        sa.delete(assignment).where(
            assignment.c.actor_id.in_(owned_users)
            | assignment.c.actor_id.in_(owned_groups)
            | assignment.c.target_id.in_(owned_projects)
            | (assignment.c.target_id == domain_id)
            | assignment.c.role_id.in_(owned_roles)
        )
    )
    tx.execute(
        sa.delete(implied).where(implied.c.prior_role_id.in_(owned_roles) | implied.c.implied_role_id.in_(owned_roles))
    )
    federation.forget_domain(tx, domain_id, owned_users)
    belongings.remove_of_users(tx, owned_users)
    belongings.remove_of_projects(tx, owned_projects)
    limits.forget_holders(tx, [domain_id])
    configurations.remove(tx, domain_id)
    for table in (user, group, role, project):
        tx.execute(sa.delete(table).where(table.c.domain_id == domain_id))
