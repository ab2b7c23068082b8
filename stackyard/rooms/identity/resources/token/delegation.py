"""What may not be done with tokens whose rights come from somebody's leave: it would outlast the leave, or widen it."""

from collections.abc import Mapping
from typing import Any

from stackyard.kernel.caller import Caller
from stackyard.kernel.errors import Forbidden
from stackyard.kernel.work import Work

#: Keys that sign requests are a leave as well, for one project: `signed_with` stands for them. This room admits none of
#: their tokens, which may still be in the body of a request. A client certificate is one for as long as it is good.
_LEAVES = ("trust_id", "application_credential_id", "access_token_id", "signed_with", "certificate")


def refuse_restricted(work: Work) -> None:
    """Raise Forbidden for a token of an application credential that is not unrestricted."""
    if work.caller.token.get("application_credential", {}).get("restricted"):
        raise Forbidden(
            "A token of a restricted application credential may not manage credentials or trusts.",
            remedy="Use a password, or an application credential made with 'unrestricted'.",
        )


def refuse_all_but_application_credentials(work: Work, params: Mapping[str, Any]) -> None:
    """Raise Forbidden for a token by any other leave than an application credential."""
    if _origin(work).keys() - {"application_credential_id"}:
        raise Forbidden("A token issued via delegation may not manage this.", remedy="Use a token of your own.")


def refuse_any(work: Work) -> None:
    """Raise Forbidden for any token whose rights are not simply its user's own."""
    if _origin(work):
        raise Forbidden("A token issued via delegation may not manage this.", remedy="Use a token of your own.")


def _origin(work: Work) -> dict[str, str]:
    return origin_of(work.caller)


def origin_of(caller: Caller) -> dict[str, str]:
    """By whose leave a token acts: the trust, application credential or access token by its id, keys, a certificate;
    empty for one's own."""
    found: dict[str, str] = caller.token.get("origin", {})
    return {name: found[name] for name in _LEAVES if name in found}
