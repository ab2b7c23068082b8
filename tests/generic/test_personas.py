"""Every route × every persona answers as the reviewed matrix says."""

import difflib
from pathlib import Path

from tests.generic.matrix import GOLDEN, current


def test_every_route_admits_whom_the_matrix_names(tmp_path: Path) -> None:
    found, golden = current(tmp_path), GOLDEN.read_text()
    changed = "\n".join(
        line for line in difflib.unified_diff(golden.splitlines(), found.splitlines(), "reviewed", "now", "", "", 0, "")
        if not line.startswith("@@")
    )  # fmt: skip
    assert not changed, (
        "who may call what has changed:\n"
        f"{changed}\n"
        "If that is meant: .venv/bin/python -m tests.generic.matrix --write, and review the diff before committing it."
    )


def test_only_discovery_logging_in_and_an_expired_password_are_open_without_a_token() -> None:
    lines = [line for line in GOLDEN.read_text().splitlines() if line.endswith("] everyone")]
    assert {line.partition(" [")[0] for line in lines} == {
        "GET    /identity", "GET    /identity/v3", "POST   /identity/v3/auth/tokens",
        "POST   /identity/v3/users/{user_id}/password", "GET    /image/", "GET    /image/versions",
        "GET    /networking", "GET    /networking/v2.0", "GET    /networking/v2.0/extensions",
        "GET    /networking/v2.0/extensions/{alias}", "GET    /container", "GET    /container/v1", "GET    /placement",
        # Logging in at an identity provider; the handlers believe nobody but it, or a trusted proxy.
        *(f"{method:6} {path}" for method in ("GET", "POST") for path in (
            "/identity/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/auth",
            "/identity/v3/auth/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/websso",
            "/identity/v3/auth/OS-FEDERATION/websso/{protocol_id}",
        )),
        # Programs prove who they are by their secret or signature.
        "POST   /identity/v3/OS-OAUTH1/access_token", "POST   /identity/v3/OS-OAUTH1/request_token",
        "POST   /identity/v3/OS-OAUTH2/token",
        # An assertion is about the token in the body; what is needed to take it is public.
        "POST   /identity/v3/auth/OS-FEDERATION/saml2", "POST   /identity/v3/auth/OS-FEDERATION/saml2/ecp",
        "GET    /identity/v3/OS-FEDERATION/saml2/metadata",
        # Gone, for everybody.
        "GET    /identity/v3/OS-SIMPLE-CERT/ca", "GET    /identity/v3/OS-SIMPLE-CERT/certificates",
    }  # fmt: skip
