"""What `stackyard identity` can be asked."""

import argparse
from collections.abc import Callable
from pathlib import Path

#: What is rotated when nothing is said; SAML's only by name, because those who hold its certificates must be told.
USES = ("token", "jws", "credential")
CERTIFIED = ("saml", "saml-encryption")
DESCRIPTION = """\
The keys that tokens and stored credentials are sealed with. All servers of a cloud share them, through the database;
each week they are rotated by themselves.

  stackyard identity keys             which keys there are, and since when
  stackyard identity rotate-keys      rotate them now
  stackyard identity password-cost    how passwords are hashed, and how long that takes on this machine

And federation, tried without logging in:

  stackyard identity map              what a mapping makes of an assertion
  stackyard identity providers        whether the providers in federation.yaml can be reached
  stackyard identity metadata         what a SAML provider must be told of this cloud
"""
MAP = """\
Print the user, groups and projects that the rules make of an assertion, or why they refuse it (exit status 1). No
server is asked and nothing is changed: whether the groups and projects exist is not looked up.

The input is a JSON object, or lines of the form `name: value`, several values with `;` between. With --claims it is
what a provider's token says (its payload, as JSON), under the names that mappings see.
"""
PROVIDERS = """\
Fetch what each provider in federation.yaml publishes about itself, as the server does, and print what is wrong.
"""
METADATA = """\
Print, as SAML metadata, what the provider of that section of federation.yaml must know of this cloud to log browsers
in: what it is called, where it takes answers, which key it signs with and what to encrypt to. The server must run.
"""
ROTATE = """\
Make the staged key the primary, while the servers run. What older keys have made stays good: tokens until they expire,
credentials because they are encrypted anew before this command returns. Nobody notices, on any server.

After a key or the state folder of a server got into wrong hands, add --compromised: every key is replaced, and all
tokens made so far end at once, on every server. Stored credentials stay; they are encrypted anew.

Those that SAML assertions and questions are signed with are rotated with --use saml only, or when compromised: first
let others have read the metadata, in which the staged one stands. Those that SAML providers encrypt to: with --use
saml-encryption; providers that are told the new one later may go on with the old until the next time.
"""


def add_to(command: argparse.ArgumentParser, with_state: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the verbs."""
    command.description = DESCRIPTION
    command.formatter_class = argparse.RawDescriptionHelpFormatter
    verbs = command.add_subparsers(dest="verb", metavar="<verb>", required=True)
    keys = with_state(verbs.add_parser("keys", help="the keys, without what is secret about them"))
    keys.add_argument("--json", action="store_true", help="print JSON for programs")
    cost = with_state(verbs.add_parser("password-cost", help="how passwords are hashed, and how long it takes here"))
    cost.add_argument("--json", action="store_true", help="print JSON for programs")
    rotate = with_state(verbs.add_parser("rotate-keys", help="rotate them now", description=ROTATE))
    rotate.formatter_class = argparse.RawDescriptionHelpFormatter
    rotate.add_argument(
        "--use", choices=(*USES, *CERTIFIED),
        help="those of Fernet tokens, JWS tokens, stored credentials, SAML's signatures or its encryption only",
    )
    rotate.add_argument("--compromised", action="store_true", help="replace every key; all tokens end")
    mapping = verbs.add_parser("map", help="what a mapping makes of an assertion", description=MAP)
    mapping.formatter_class = argparse.RawDescriptionHelpFormatter
    mapping.add_argument("--rules", type=Path, required=True, metavar="FILE", help="the rules, as JSON")
    mapping.add_argument("--input", type=Path, required=True, metavar="FILE", help="the assertion")
    mapping.add_argument(
        "--claims", nargs="?", const="OIDC-", metavar="PREFIX", help="the input is a token's payload (OIDC-)"
    )
    mapping.add_argument("--schema-version", choices=["1.0", "2.0", "3.0"], help="of the rules (1.0)")
    with_state(verbs.add_parser("providers", help="whether providers can be reached", description=PROVIDERS))
    told = with_state(verbs.add_parser("metadata", help="what a SAML provider must be told", description=METADATA))
    told.add_argument("way", metavar="PROVIDER/PROTOCOL", help="by their ids: corp/saml2")
