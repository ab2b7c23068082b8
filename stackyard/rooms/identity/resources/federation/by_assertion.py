"""A login in a browser at a provider that speaks SAML. Sources: SAML 2.0 Profiles, section 4.1; SAML 2.0 Bindings,
sections 3.4 (the request goes as part of an address) and 3.5 (the answer comes in a form).
"""

import base64
from functools import cached_property
from urllib.parse import parse_qs

from stackyard.kernel.errors import NotFound
from stackyard.kernel.request.exchange import Reply
from stackyard.rooms.identity.resources.federation import vouched
from stackyard.rooms.identity.resources.federation.sign_in import SignIn, refused
from stackyard.rooms.identity.resources.saml import requests
from stackyard.rooms.identity.resources.saml.sections import SamlProvider

_FORM = "application/x-www-form-urlencoded"


class AssertionSignIn(SignIn):
    """One request of such a login."""

    by_form = True

    @property
    def is_answer(self) -> bool:
        """Whether the provider's form has sent the browser here."""
        return "SAMLResponse" in self._form

    def begin(self) -> Reply:
        """Send the browser to the provider. Raises NotFound for one that is connected for programs alone."""
        connection = self._connection()
        if not connection.sso_endpoint:
            raise NotFound(
                f"The identity provider {self.way.provider.id} is connected for programs: where it takes browsers is "
                "not said.",
                remedy="The operator names its address in federation.yaml, as sso_endpoint.",
            )
        login = self.new()
        known_as = vouched.known_as(self.work.services, self.way)
        where = connection.sso_endpoint, self.back(), requests.POST
        asked = requests.request(_id(login.nonce), known_as, *where, self.work.now)
        signer = vouched.own_signer(self.work.services)
        return self.sent(login, requests.address(connection.sso_endpoint, asked, login.state, signer))

    def end(self) -> Reply:
        """Take the browser back and hand it on with a token."""
        login = self.returned(self._form.get("RelayState", ""))
        try:
            said = base64.b64decode("".join(self._form["SAMLResponse"].split()), validate=True)
        except ValueError:
            raise refused("what the identity provider's form holds is not base64") from None
        assertion = vouched.answered(self.work.services, self.way, said, self.back(), _id(login.nonce))
        return self.handed_on(login.origin, assertion, login.state)

    @cached_property
    def _form(self) -> dict[str, str]:
        raw = self.request.body
        if not isinstance(raw, bytes) or self.request.content_type != _FORM:
            return {}
        try:
            return {name: values[0] for name, values in parse_qs(raw.decode("ascii"), max_num_fields=8).items()}
        except ValueError:
            return {}

    def _connection(self) -> SamlProvider:
        assert isinstance(self.way.connection, SamlProvider)
        return self.way.connection


def _id(nonce: str) -> str:
    """XML's ids begin with a letter or an underscore."""
    return f"_{nonce}"
