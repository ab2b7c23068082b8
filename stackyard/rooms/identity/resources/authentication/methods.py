"""Every method of authentication by its name in the API. A new one is a module and a line here."""

from collections.abc import Mapping

from stackyard.rooms.identity.resources.authentication import (
    by_application_credential,
    by_external,
    by_mapping,
    by_oauth1,
    by_password,
    by_token,
    by_totp,
)
from stackyard.rooms.identity.resources.authentication.attempt import Method

#: A client's certificate, which is proved where OAuth's tokens are made (resources/oauth2) and nowhere else.
CERTIFICATE = "oauth2_credential"

METHODS: Mapping[str, Method] = {
    "external": Method(by_external.read, by_external.prove),
    "password": Method(by_password.read, by_password.prove),
    "application_credential": Method(by_application_credential.read, by_application_credential.prove),
    "mapped": Method(by_mapping.read, by_mapping.prove),
    "token": Method(by_token.read, by_token.prove),
    "oauth1": Method(by_oauth1.read, by_oauth1.prove),
    "totp": Method(by_totp.read, by_totp.prove),
}
