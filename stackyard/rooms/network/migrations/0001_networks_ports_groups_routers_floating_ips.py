"""Networks, ports, groups, routers, floating IPs."""

import sqlalchemy as sa
from alembic import op

from stackyard.kernel.storage.database import Instant, Json

revision = "network_0001"
down_revision = None
branch_labels = ("network",)


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.create_table(
        "floatingips",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("description", sa.String(length=255), nullable=False),
        sa.Column("project_id", sa.String(length=255), nullable=False),
        sa.Column("floating_network_id", sa.String(length=64), nullable=False),
        sa.Column("floating_ip_address", sa.String(length=45), nullable=True),
        sa.Column("port_id", sa.String(length=64), nullable=True),
        sa.Column("fixed_ip_address", sa.String(length=45), nullable=True),
        sa.Column("router_id", sa.String(length=64), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("floating_port_id", sa.String(length=64), nullable=True),
        sa.Column("tags", Json(), nullable=False),
        sa.Column("revision_number", sa.BigInteger(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("floatingips", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_floatingips_floating_network_id"), ["floating_network_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_floatingips_port_id"), ["port_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_floatingips_project_id"), ["project_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_floatingips_router_id"), ["router_id"], unique=False)

    op.create_table(
        "network_quotas",
        sa.Column("project_id", sa.String(length=255), nullable=False),
        sa.Column("resource", sa.String(length=64), nullable=False),
        sa.Column("limit", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "resource"),
    )
    op.create_table(
        "networks",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.String(length=255), nullable=False),
        sa.Column("project_id", sa.String(length=255), nullable=False),
        sa.Column("admin_state_up", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("router:external", sa.Boolean(), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("mtu", sa.BigInteger(), nullable=False),
        sa.Column("port_security_enabled", sa.Boolean(), nullable=False),
        sa.Column("provider:network_type", sa.String(length=64), nullable=False),
        sa.Column("provider:physical_network", sa.String(length=64), nullable=True),
        sa.Column("provider:segmentation_id", sa.BigInteger(), nullable=True),
        sa.Column("availability_zone_hints", Json(), nullable=False),
        sa.Column("tags", Json(), nullable=False),
        sa.Column("revision_number", sa.BigInteger(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("networks", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_networks_project_id"), ["project_id"], unique=False)

    op.create_table(
        "port_addresses",
        sa.Column("port_id", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("network_id", sa.String(length=64), nullable=False),
        sa.Column("subnet_id", sa.String(length=64), nullable=False),
        sa.Column("ip_address", sa.String(length=45), nullable=False),
        sa.UniqueConstraint("subnet_id", "ip_address", name=op.f("uq_port_addresses_subnet_id_ip_address")),
    )
    with op.batch_alter_table("port_addresses", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_port_addresses_network_id"), ["network_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_port_addresses_port_id"), ["port_id"], unique=False)

    op.create_table(
        "port_security_groups",
        sa.Column("port_id", sa.String(length=64), nullable=False),
        sa.Column("security_group_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("port_id", "security_group_id"),
    )
    with op.batch_alter_table("port_security_groups", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_port_security_groups_security_group_id"), ["security_group_id"], unique=False
        )

    op.create_table(
        "ports",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.String(length=255), nullable=False),
        sa.Column("project_id", sa.String(length=255), nullable=False),
        sa.Column("admin_state_up", sa.Boolean(), nullable=False),
        sa.Column("network_id", sa.String(length=64), nullable=False),
        sa.Column("mac_address", sa.String(length=17), nullable=False),
        sa.Column("device_id", sa.String(length=255), nullable=False),
        sa.Column("device_owner", sa.String(length=255), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("allowed_address_pairs", Json(), nullable=True),
        sa.Column("port_security_enabled", sa.Boolean(), nullable=False),
        sa.Column("extra_dhcp_opts", Json(), nullable=True),
        sa.Column("binding:host_id", sa.String(length=255), nullable=True),
        sa.Column("binding:vnic_type", sa.String(length=64), nullable=False),
        sa.Column("binding:vif_type", sa.String(length=64), nullable=False),
        sa.Column("binding:vif_details", Json(), nullable=False),
        sa.Column("binding:profile", Json(), nullable=True),
        sa.Column("router_id", sa.String(length=64), nullable=True),
        sa.Column("attached_to", sa.String(length=64), nullable=True),
        sa.Column("made_for_device", sa.Boolean(), nullable=True),
        sa.Column("wired_order", sa.BigInteger(), nullable=True),
        sa.Column("wiring", Json(), nullable=True),
        sa.Column("tags", Json(), nullable=False),
        sa.Column("revision_number", sa.BigInteger(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("network_id", "mac_address", name=op.f("uq_ports_network_id_mac_address")),
    )
    with op.batch_alter_table("ports", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_ports_attached_to"), ["attached_to"], unique=False)
        batch_op.create_index(batch_op.f("ix_ports_device_id"), ["device_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_ports_network_id"), ["network_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_ports_project_id"), ["project_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_ports_router_id"), ["router_id"], unique=False)

    op.create_table(
        "routers",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.String(length=255), nullable=False),
        sa.Column("project_id", sa.String(length=255), nullable=False),
        sa.Column("admin_state_up", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("routes", Json(), nullable=True),
        sa.Column("availability_zone_hints", Json(), nullable=False),
        sa.Column("gateway_port_id", sa.String(length=64), nullable=True),
        sa.Column("enable_snat", sa.Boolean(), nullable=True),
        sa.Column("host", sa.String(length=255), nullable=True),
        sa.Column("tags", Json(), nullable=False),
        sa.Column("revision_number", sa.BigInteger(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("routers", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_routers_project_id"), ["project_id"], unique=False)

    op.create_table(
        "security_group_rules",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=255), nullable=False),
        sa.Column("security_group_id", sa.String(length=64), nullable=False),
        sa.Column("direction", sa.String(length=64), nullable=False),
        sa.Column("ethertype", sa.String(length=8), nullable=False),
        sa.Column("protocol", sa.String(length=40), nullable=True),
        sa.Column("port_range_min", sa.BigInteger(), nullable=True),
        sa.Column("port_range_max", sa.BigInteger(), nullable=True),
        sa.Column("remote_group_id", sa.String(length=64), nullable=True),
        sa.Column("remote_ip_prefix", sa.String(length=50), nullable=True),
        sa.Column("description", sa.String(length=255), nullable=False),
        sa.Column("revision_number", sa.BigInteger(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("security_group_rules", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_security_group_rules_project_id"), ["project_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_security_group_rules_remote_group_id"), ["remote_group_id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_security_group_rules_security_group_id"), ["security_group_id"], unique=False
        )

    op.create_table(
        "security_groups",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.String(length=255), nullable=False),
        sa.Column("project_id", sa.String(length=255), nullable=False),
        sa.Column("is_project_default", sa.String(length=255), nullable=True),
        sa.Column("tags", Json(), nullable=False),
        sa.Column("revision_number", sa.BigInteger(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("is_project_default", name=op.f("uq_security_groups_is_project_default")),
    )
    with op.batch_alter_table("security_groups", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_security_groups_project_id"), ["project_id"], unique=False)

    op.create_table(
        "subnetpools",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.String(length=255), nullable=False),
        sa.Column("project_id", sa.String(length=255), nullable=False),
        sa.Column("prefixes", Json(), nullable=False),
        sa.Column("default_prefixlen", sa.BigInteger(), nullable=True),
        sa.Column("min_prefixlen", sa.BigInteger(), nullable=True),
        sa.Column("max_prefixlen", sa.BigInteger(), nullable=True),
        sa.Column("default_quota", sa.BigInteger(), nullable=True),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("ip_version", sa.BigInteger(), nullable=False),
        sa.Column("tags", Json(), nullable=False),
        sa.Column("revision_number", sa.BigInteger(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("subnetpools", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_subnetpools_project_id"), ["project_id"], unique=False)

    op.create_table(
        "subnets",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.String(length=255), nullable=False),
        sa.Column("project_id", sa.String(length=255), nullable=False),
        sa.Column("network_id", sa.String(length=64), nullable=False),
        sa.Column("ip_version", sa.BigInteger(), nullable=False),
        sa.Column("cidr", sa.String(length=50), nullable=False),
        sa.Column("subnetpool_id", sa.String(length=64), nullable=True),
        sa.Column("gateway_ip", sa.String(length=45), nullable=True),
        sa.Column("allocation_pools", Json(), nullable=True),
        sa.Column("dns_nameservers", Json(), nullable=True),
        sa.Column("host_routes", Json(), nullable=True),
        sa.Column("enable_dhcp", sa.Boolean(), nullable=False),
        sa.Column("ipv6_ra_mode", sa.String(length=64), nullable=True),
        sa.Column("ipv6_address_mode", sa.String(length=64), nullable=True),
        sa.Column("tags", Json(), nullable=False),
        sa.Column("revision_number", sa.BigInteger(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("subnets", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_subnets_network_id"), ["network_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_subnets_project_id"), ["project_id"], unique=False)
