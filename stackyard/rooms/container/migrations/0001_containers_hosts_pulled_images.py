"""containers, hosts, pulled images."""

import sqlalchemy as sa
from alembic import op

from stackyard.kernel.storage.database import Instant, Json

revision = "container_0001"
down_revision = None
branch_labels = ("container",)


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.create_table(
        "containers",
        sa.Column("uuid", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=True),
        sa.Column("image", sa.String(length=255), nullable=False),
        sa.Column("command", Json(), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("status_reason", sa.Text(), nullable=True),
        sa.Column("task_state", sa.String(length=40), nullable=True),
        sa.Column("cpu", sa.Float(), nullable=True),
        sa.Column("memory", sa.BigInteger(), nullable=True),
        sa.Column("environment", Json(), nullable=True),
        sa.Column("workdir", sa.String(length=4096), nullable=True),
        sa.Column("ports", Json(), nullable=False),
        sa.Column("hostname", sa.String(length=63), nullable=True),
        sa.Column("labels", Json(), nullable=True),
        sa.Column("image_pull_policy", sa.String(length=64), nullable=True),
        sa.Column("host", sa.String(length=255), nullable=True),
        sa.Column("restart_policy", Json(), nullable=True),
        sa.Column("interactive", sa.Boolean(), nullable=True),
        sa.Column("tty", sa.Boolean(), nullable=True),
        sa.Column("image_driver", sa.String(length=64), nullable=True),
        sa.Column("security_groups", Json(), nullable=True),
        sa.Column("auto_remove", sa.Boolean(), nullable=True),
        sa.Column("runtime", sa.String(length=255), nullable=True),
        sa.Column("disk", sa.BigInteger(), nullable=True),
        sa.Column("auto_heal", sa.Boolean(), nullable=False),
        sa.Column("privileged", sa.Boolean(), nullable=True),
        sa.Column("healthcheck", Json(), nullable=True),
        sa.Column("cpu_policy", sa.String(length=64), nullable=True),
        sa.Column("registry_id", sa.String(length=64), nullable=True),
        sa.Column("entrypoint", Json(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("wanted", sa.String(length=20), nullable=True),
        sa.Column("image_reference", sa.Text(), nullable=True),
        sa.Column("image_id", sa.String(length=64), nullable=True),
        sa.Column("generation", sa.String(length=128), nullable=True),
        sa.Column("started_at", Instant(), nullable=True),
        sa.Column("finished_at", Instant(), nullable=True),
        sa.Column("exit_code", sa.BigInteger(), nullable=True),
        sa.Column("restarts", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("uuid"),
    )
    with op.batch_alter_table("containers", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_containers_project_id"), ["project_id"], unique=False)

    op.create_table(
        "hosts",
        sa.Column("uuid", sa.String(length=64), nullable=False),
        sa.Column("hostname", sa.String(length=255), nullable=False),
        sa.Column("mem_total", sa.BigInteger(), nullable=False),
        sa.Column("cpus", sa.BigInteger(), nullable=False),
        sa.Column("disk_total", sa.BigInteger(), nullable=False),
        sa.Column("disk_used", sa.BigInteger(), nullable=False),
        sa.Column("architecture", sa.String(length=255), nullable=False),
        sa.Column("os_type", sa.String(length=255), nullable=False),
        sa.Column("os", sa.String(length=255), nullable=False),
        sa.Column("kernel_version", sa.String(length=255), nullable=False),
        sa.Column("labels", Json(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=True),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        sa.Column("forced_down", sa.Boolean(), nullable=True),
        sa.Column("last_seen", Instant(), nullable=True),
        sa.Column("reports", sa.BigInteger(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("uuid"),
        sa.UniqueConstraint("hostname", name=op.f("uq_hosts_hostname")),
    )
    op.create_table(
        "pulled_images",
        sa.Column("uuid", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("image_id", sa.String(length=255), nullable=True),
        sa.Column("repo", sa.String(length=255), nullable=False),
        sa.Column("tag", sa.String(length=255), nullable=True),
        sa.Column("size", sa.String(length=255), nullable=True),
        sa.Column("host", sa.String(length=255), nullable=True),
        sa.Column("status", sa.String(length=255), nullable=True),
        sa.Column("status_reason", sa.Text(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("uuid"),
    )
    with op.batch_alter_table("pulled_images", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_pulled_images_project_id"), ["project_id"], unique=False)
