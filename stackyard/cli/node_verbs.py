"""What the running server answers to `stackyard node token | list | revoke`."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from stackyard.assemble import Cloud
from stackyard.kernel.errors import BadRequest, Conflict
from stackyard.node.authority import Denied

#: How long a token may be good: 30 days.
_LONGEST_MINUTES = 30 * 24 * 60


def node_verbs(cloud: Cloud) -> dict[str, Callable[[str], Any]]:
    """The verbs by name."""

    def token(minutes: str) -> dict[str, str]:
        if cloud.listener is None:
            raise Conflict(
                "This cloud takes no nodes.",
                remedy="Restart it with an address for them: stackyard down, stackyard up --nodes ADDRESS:PORT.",
            )
        if not 0 < float(minutes) <= _LONGEST_MINUTES:
            raise BadRequest("A token is good for more than nothing and at most 30 days.", field="minutes")
        made = cloud.authority.new_token(timedelta(minutes=float(minutes)))
        return {"token": made, "address": cloud.listener.address}

    def nodes(_: str) -> list[dict[str, Any]]:
        seen = {each.name: each for each in cloud.nodes.states()}
        joined = {each.name: each for each in cloud.authority.nodes()}
        found = []
        for name in sorted({*seen, *joined}):
            state, known = seen.get(name), joined.get(name)
            connected = state is not None and state.connected
            word = "connected" if connected else "revoked" if known and known.revoked else "gone"
            told = f"last heard of {state.last_seen:%Y-%m-%d %H:%M:%S} UTC" if state and not connected else ""
            if known is not None and not known.revoked:
                told = "; ".join(filter(None, [told, f"certificate until {known.expires_at:%Y-%m-%d %H:%M} UTC"]))
            found.append({"name": name, "state": word, "told": told})
        return found

    def revoke(name: str) -> dict[str, str]:
        try:
            cloud.authority.revoke(name)
        except Denied as denied:
            raise BadRequest(f"{denied}.", field="name") from denied
        if cloud.listener is not None:
            cloud.listener.look()
        return {"name": name}

    return {"node-token": token, "nodes": nodes, "node-revoke": revoke}
