"""The catalog is part of what is remembered about tokens: its changes raise the counter."""

from alembic import op

revision = "identity_0012"
down_revision = "identity_0011"
branch_labels = None

TABLES = (
    "identity_service",
    "identity_endpoint",
    "identity_endpoint_group",
    "identity_project_endpoint",
    "identity_project_endpoint_group",
)


def upgrade() -> None:
    """Bring the tables to this revision."""
    for table in TABLES:
        for statement in _triggers(table):
            op.execute(statement)


def _triggers(table: str) -> list[str]:
    if op.get_bind().dialect.name == "sqlite":
        return [
            f"CREATE TRIGGER {table}_{event.lower()} AFTER {event} ON {table} "
            "BEGIN UPDATE identity_change SET version = version + 1 WHERE id = 1; END"
            for event in ("INSERT", "UPDATE", "DELETE")
        ]
    return [
        f"CREATE TRIGGER {table}_changed AFTER INSERT OR UPDATE OR DELETE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION identity_changed()"
    ]
