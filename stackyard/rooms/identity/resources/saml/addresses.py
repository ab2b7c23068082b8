"""Where this cloud takes what a provider says, below the public address that it gives to providers."""


def of_programs(base_url: str, provider_id: str, protocol_id: str) -> str:
    """Where programs bring assertions; it is also what providers call this cloud unless the operator says otherwise."""
    return f"{base_url}/identity/v3/OS-FEDERATION/identity_providers/{provider_id}/protocols/{protocol_id}/auth"


def of_browsers(base_url: str, provider_id: str, protocol_id: str) -> str:
    """Where providers send browsers back to."""
    path = f"identity_providers/{provider_id}/protocols/{protocol_id}/websso"
    return f"{base_url}/identity/v3/auth/OS-FEDERATION/{path}"
