"""Neutron v2.0: networks, subnets, ports, security groups, routers and floating IPs on the host's own kernel."""
