"""Threads for calls that may take long: bounded in number, and never in the way of a process that wants to end.

The standard library's pool makes the process wait at its end for whatever its threads do: a pull of an image, say.
"""

import threading
from collections.abc import Callable
from queue import SimpleQueue

Task = Callable[[], None]


class Pool:
    """Runs tasks, at most `size` at a time, in the order in which they came. A task must not raise."""

    def __init__(self, size: int, name: str) -> None:
        self._size = size
        self._name = name
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._threads = 0
        self._closed = False

    def submit(self, task: Task) -> bool:
        """Run the task as soon as a thread is free. False: the pool is closed."""
        with self._lock:
            if self._closed:
                return False
            self._tasks.put(task)
            if not self._idle.acquire(blocking=False) and self._threads < self._size:
                self._threads += 1
                threading.Thread(target=self._work, name=f"{self._name} {self._threads}", daemon=True).start()
        return True

    def close(self) -> None:
        """Take no more tasks; the threads end after those taken. Does not wait."""
        with self._lock:
            self._closed = True
            for _ in range(self._threads):
                self._tasks.put(None)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()
            self._idle.release()
