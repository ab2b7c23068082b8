"""Headers about the client count only when a trusted proxy sends them."""

import pytest

from stackyard.kernel.request.proxies import Proxies

OURS = Proxies(["10.0.0.5", "192.0.2.0/24", "::1"])


@pytest.mark.parametrize(
    ("peer", "told", "client", "proxied"),
    [
        ("10.0.0.5", "203.0.113.9", "203.0.113.9", True),
        ("10.0.0.5", "1.1.1.1, 203.0.113.9, 192.0.2.8", "203.0.113.9", True),
        ("::1", "", "::1", True),
        ("192.0.2.77", "nonsense", "nonsense", True),
        ("10.0.0.6", "203.0.113.9", "10.0.0.6", False),
        ("", "203.0.113.9", "", False),
    ],
)
def test_the_client_is_the_last_address_that_is_no_proxy_of_ours(
    peer: str, told: str, client: str, proxied: bool
) -> None:
    assert OURS.client(peer, {"x-forwarded-for": told}) == (client, proxied)


def test_without_trusted_proxies_nobody_is_believed() -> None:
    assert Proxies().client("127.0.0.1", {"x-forwarded-for": "203.0.113.9"}) == ("127.0.0.1", False)


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match="proxy"):
        Proxies(["proxy.example.org"])
