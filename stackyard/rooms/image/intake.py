"""Taking data in: every byte passes here once, is counted, hashed and judged, and goes on to the store."""

import hashlib
from collections.abc import Iterator

import msgspec

from stackyard.kernel.errors import BadRequest, PayloadTooLarge, UnsupportedMediaType
from stackyard.rooms.image.formats import LOOKED_AT, Finding, inspect

HASH = "sha512"


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of image data once all of it has been read. Sizes in bytes, digests in hex; `checksum` is MD5."""

    size: int
    virtual_size: int | None
    checksum: str
    os_hash_algo: str
    os_hash_value: str


class Intake:
    """Reads a stream once. `expected`: the bytes announced, if they were; `largest`: the most that is taken."""

    def __init__(self, image_id: str, disk_format: str | None, *, largest: int, expected: int | None = None) -> None:
        self._image_id = image_id
        self._disk_format = disk_format
        self._largest = largest
        self._expected = expected
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha = hashlib.new(HASH)
        self._head = b""
        self._finding: Finding | None = None
        self._size = 0

    def read(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """The same chunks. Raises PayloadTooLarge, UnsupportedMediaType for an unsafe image and BadRequest when the
        stream ends before the bytes announced."""
        for chunk in chunks:
            self._size += len(chunk)
            if self._size > self._largest:
                raise too_large(self._image_id, self._largest)
            self._md5.update(chunk)
            self._sha.update(chunk)
            self._look(chunk)
            yield chunk
        if self._expected is not None and self._size != self._expected:
            raise BadRequest(
                f"The data of image {self._image_id} ended after {self._size} of {self._expected} bytes; nothing kept.",
                remedy="Upload it again.",
            )
        self._judge()

    def _look(self, chunk: bytes) -> None:
        if self._finding is None:
            self._head += chunk[: LOOKED_AT - len(self._head)]
            if len(self._head) >= LOOKED_AT:
                self._judge()

    def _judge(self) -> None:
        if self._finding is None:
            self._finding = inspect(self._head)
            if self._finding.unsafe:
                raise UnsupportedMediaType(
                    f"The data of image {self._image_id} is refused: {self._finding.unsafe}", kind="InvalidImageData"
                )

    def facts(self) -> Facts:
        """What was read, once `read` has come to its end."""
        assert self._finding is not None, "the stream has not been read to its end"
        return Facts(
            size=self._size,
            virtual_size=self._virtual_size(self._finding),
            checksum=self._md5.hexdigest(),
            os_hash_algo=HASH,
            os_hash_value=self._sha.hexdigest(),
        )

    def _virtual_size(self, finding: Finding) -> int | None:
        if self._disk_format in ("raw", "iso"):
            return self._size
        return finding.virtual_size if finding.format == self._disk_format else None


def too_large(image_id: str, largest: int) -> PayloadTooLarge:
    """The error for image data beyond the limit."""
    return PayloadTooLarge(
        f"The data of image {image_id} is larger than the {largest} bytes an image may have; nothing was kept."
    )
