"""The copies of image data that a server is making now: one at a time of each image, whoever waits for it."""

import logging
import threading
from collections.abc import Callable

from stackyard.kernel.errors import ApiError, Unavailable

log = logging.getLogger("stackyard.image.fetches")

#: Requests that may wait for copies at a time; they keep threads that others need too.
MOST_WAITING = 16


class Fetch:
    """A copy that is being made. `got`: how many bytes have come."""

    def __init__(self) -> None:
        self.got = 0
        self.error: ApiError | None = None
        self.ended = threading.Event()


class Fetches:
    """Makes copies in threads of their own, so that one goes on when those who waited for it have gone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[str, Fetch] = {}
        self._places = threading.BoundedSemaphore(MOST_WAITING)

    def wait(self, image_id: str, size: int, make: Callable[[Fetch], None], patience: float) -> None:
        """Have the copy made by `make`, unless it is being made, and wait for its end. Raises what `make` raised, and
        Unavailable when it takes longer than `patience` seconds or too many wait already."""
        fetch = self._fetch(image_id, make)
        if not self._places.acquire(blocking=False):
            raise _later(f"{MOST_WAITING} requests wait for data that another server sends to this one.")
        try:
            ended = fetch.ended.wait(patience)
        finally:
            self._places.release()
        if not ended:
            raise _later(
                f"The data of image {image_id} is on its way from another server to this one: "
                f"{fetch.got} of {size} bytes have come."
            )
        if fetch.error is not None:
            raise fetch.error

    def _fetch(self, image_id: str, make: Callable[[Fetch], None]) -> Fetch:
        with self._lock:
            found = self._running.get(image_id)
            if found is None:
                found = self._running[image_id] = Fetch()
                threading.Thread(
                    target=self._run, args=(image_id, found, make), name=f"fetch image {image_id}", daemon=True
                ).start()
            return found

    def _run(self, image_id: str, fetch: Fetch, make: Callable[[Fetch], None]) -> None:
        try:
            make(fetch)
        except ApiError as error:
            fetch.error = error
        except Exception as error:
            log.exception("the copy of image %s could not be made", image_id)
            fetch.error = Unavailable(
                f"The data of image {image_id} could not be copied from another server: {error}.",
                remedy="Ask the operator: this server's log tells more.",
            )
        finally:
            with self._lock:
                del self._running[image_id]
            fetch.ended.set()


def _later(reason: str) -> Unavailable:
    return Unavailable(reason, remedy="Ask again shortly.", headers={"Retry-After": "5"})
