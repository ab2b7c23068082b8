"""A login in a browser at a provider that speaks OpenID Connect: authorization code flow, PKCE, state and nonce."""

from stackyard.kernel.request.exchange import Reply
from stackyard.rooms.identity.resources.federation import vouched
from stackyard.rooms.identity.resources.federation.connections import Oidc
from stackyard.rooms.identity.resources.federation.oidc import RelyingParty
from stackyard.rooms.identity.resources.federation.sign_in import SignIn, refused


class CodeSignIn(SignIn):
    """One request of such a login."""

    def begin(self) -> Reply:
        """Send the browser to the provider."""
        login = self.new()
        return self.sent(login, self._party().authorization_url(self.back(), login.state, login.nonce, login.verifier))

    def end(self) -> Reply:
        """Take the browser back and hand it on with a token."""
        query = self.request.query
        login = self.returned(query["state"])
        if "code" not in query:
            raise refused(f"the identity provider says {str(query.get('error', 'nothing'))[:200]}")
        claims = self._party().exchanged(query["code"], self.back(), login.nonce, login.verifier)
        return self.handed_on(login.origin, vouched.assertion_from(self.way, claims), login.state)

    def _party(self) -> RelyingParty:
        assert isinstance(self.way.connection, Oidc)
        return vouched.parties_of(self.work.services).party(self.way.connection)
