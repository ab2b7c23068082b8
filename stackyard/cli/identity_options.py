"""What `stackyard identity` can be asked."""

import argparse
from collections.abc import Callable

USES = ("token", "jws", "credential")
DESCRIPTION = """\
The keys that tokens and stored credentials are sealed with. All servers of a cloud share them, through the database;
each week they are rotated by themselves.

  stackyard identity keys             which keys there are, and since when
  stackyard identity rotate-keys      rotate them now
"""
ROTATE = """\
Make the staged key the primary, while the servers run. What older keys have made stays good: tokens until they expire,
credentials because they are encrypted anew before this command returns. Nobody notices, on any server.

After a key or the state folder of a server got into wrong hands, add --compromised: every key is replaced, and all
tokens made so far end at once, on every server. Stored credentials stay; they are encrypted anew.
"""


def add_to(command: argparse.ArgumentParser, with_state: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the verbs."""
    command.description = DESCRIPTION
    command.formatter_class = argparse.RawDescriptionHelpFormatter
    verbs = command.add_subparsers(dest="verb", metavar="<verb>", required=True)
    keys = with_state(verbs.add_parser("keys", help="the keys, without what is secret about them"))
    keys.add_argument("--json", action="store_true", help="print JSON for programs")
    rotate = with_state(verbs.add_parser("rotate-keys", help="rotate them now", description=ROTATE))
    rotate.formatter_class = argparse.RawDescriptionHelpFormatter
    rotate.add_argument(
        "--use", choices=USES, help="those of Fernet tokens, of JWS tokens or of stored credentials only (all)"
    )
    rotate.add_argument("--compromised", action="store_true", help="replace every key; all tokens end")
