"""Byte ranges of downloads (RFC 9110, one range)."""

import re

from stackyard.kernel.errors import RangeNotSatisfiable


def requested(header: str | None, size: int) -> tuple[int, int] | None:
    """The (offset, length) a Range header asks for of `size` bytes; None to send everything, also for units and lists
    of ranges this service does not know. Raises RangeNotSatisfiable."""
    match = re.fullmatch(r"\s*bytes\s*=\s*(\d{0,18})-(\d{0,18})\s*", header or "")
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        start, end = max(0, size - int(last)), size - 1
    else:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
    if first and last and int(last) < int(first):
        return None
    if start >= size or end < start:
        raise RangeNotSatisfiable(
            f"The range '{header}' lies outside the {size} bytes of the image.",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return start, end - start + 1
