"""Images with their tags, properties and members."""

import sqlalchemy as sa
from alembic import op

revision = "image_0001"
down_revision = None
branch_labels = ("image",)
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "images",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(255)),
        sa.Column("status", sa.String(64), nullable=False),
        sa.Column("visibility", sa.String(64), nullable=False, index=True),
        sa.Column("protected", sa.Boolean, nullable=False),
        sa.Column("os_hidden", sa.Boolean, nullable=False),
        sa.Column("owner", sa.String(255), index=True),
        sa.Column("container_format", sa.String(64)),
        sa.Column("disk_format", sa.String(64)),
        sa.Column("min_disk", sa.BigInteger, nullable=False),
        sa.Column("min_ram", sa.BigInteger, nullable=False),
        sa.Column("size", sa.BigInteger),
        sa.Column("virtual_size", sa.BigInteger),
        sa.Column("checksum", sa.String(32)),
        sa.Column("os_hash_algo", sa.String(64)),
        sa.Column("os_hash_value", sa.String(128)),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("status_reason", sa.Text),
    )
    op.create_table(
        "image_tags",
        sa.Column("image_id", sa.String(64), primary_key=True),
        sa.Column("value", sa.String(255), primary_key=True, index=True),
    )
    op.create_table(
        "image_properties",
        sa.Column("image_id", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "image_members",
        sa.Column("image_id", sa.String(64), primary_key=True),
        sa.Column("member_id", sa.String(255), primary_key=True, index=True),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
