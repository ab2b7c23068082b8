"""What a stream of bytes is, judged by its beginning, and whether it may be trusted.

A disk image can name other files: a qcow2's backing or data file, a VMDK's extents. Whoever opens such an image on a
host reads those files with the host's rights (CVE-2024-32498), so an image that names one is refused wherever it is
met, whatever format it was declared to be.
"""

import re
import struct
from dataclasses import dataclass

#: How many bytes of an image are looked at: enough for the furthest mark, ISO 9660's at 32 KiB.
LOOKED_AT = 66_000

_LARGEST_DISK = 1 << 60
_QCOW2_DATA_FILE = 1 << 2
_QCOW2_KNOWN = (1 << 5) - 1
_VMDK_WHOLE = {"monolithicsparse", "streamoptimized"}


@dataclass(frozen=True)
class Finding:
    """What the bytes are: a disk format's name ("raw" when no mark is known), the size of the disk it holds in bytes
    when the header tells, and why it must be refused, if it must."""

    format: str
    virtual_size: int | None = None
    unsafe: str | None = None


def inspect(head: bytes) -> Finding:
    """Judge an image by its first LOOKED_AT bytes (all of them when it is shorter)."""
    found = _recognised(head)
    if found.virtual_size and found.virtual_size > _LARGEST_DISK:
        return Finding(found.format, unsafe="its header claims a disk larger than any disk.")
    return found


def _recognised(head: bytes) -> Finding:
    if head.startswith(b"QFI\xfb"):
        return _qcow2(head)
    if head.startswith((b"KDMV", b"COWD")) or head[:512].lstrip().startswith(b"# Disk DescriptorFile"):
        return _vmdk(head)
    if head.startswith(b"QED\x00"):
        return Finding("qed", unsafe="QED images are not supported; they can name a backing file.")
    if head.startswith(b"vhdxfile"):
        return Finding("vhdx")
    if head.startswith(b"conectix"):
        return Finding("vhd", _number(head, 48, ">Q"))
    if head[64:68] == b"\x7f\x10\xda\xbe":
        return Finding("vdi", _number(head, 0x170, "<Q"))
    if head[32769:32774] == b"CD001":
        return Finding("iso")
    if head.startswith((b"WithoutFreeSpace", b"WithouFreSpacExt")):
        return Finding("ploop")
    return Finding("raw")


def _number(head: bytes, offset: int, form: str) -> int | None:
    size = struct.calcsize(form)
    return int(struct.unpack(form, head[offset : offset + size])[0]) if len(head) >= offset + size else None


def _qcow2(head: bytes) -> Finding:
    if len(head) < 72:
        return Finding("qcow2", unsafe="its qcow2 header is cut short.")
    version, backing, _, _, size = struct.unpack(">IQIIQ", head[4:32])
    if version not in (2, 3):
        return Finding("qcow2", unsafe=f"its qcow2 version {version} is unknown.")
    if backing:
        return Finding("qcow2", size, "it names a backing file; flatten it first with 'qemu-img convert'.")
    features = (_number(head, 72, ">Q") or 0) if version == 3 else 0
    if features & _QCOW2_DATA_FILE:
        return Finding("qcow2", size, "it keeps its data in another file; make it whole with 'qemu-img convert'.")
    if features & ~_QCOW2_KNOWN:
        return Finding("qcow2", size, "it uses qcow2 features that are not known to be safe.")
    return Finding("qcow2", size)


def _vmdk(head: bytes) -> Finding:
    if not head.startswith(b"KDMV"):
        return Finding(
            "vmdk", unsafe="it is only the description of a disk in other files; export it as streamOptimized."
        )
    sectors, start, length = _number(head, 12, "<Q"), _number(head, 28, "<Q"), _number(head, 36, "<Q")
    size = (sectors or 0) * 512 or None
    text = head[(start or 0) * 512 : ((start or 0) + (length or 0)) * 512].split(b"\x00")[0].decode("latin-1")
    kind = re.search(r'createType\s*=\s*"([^"]*)"', text)
    if kind is None or kind.group(1).lower() not in _VMDK_WHOLE:
        said = kind.group(1) if kind else "unknown"
        return Finding("vmdk", size, f"its VMDK type '{said[:40]}' may use other files; export it as streamOptimized.")
    extents = re.findall(r"^\s*(?:RW|RDONLY|NOACCESS)\s+\d+\s+(\w+)(?:\s+\"([^\"]*)\")?", text, re.MULTILINE)
    if len(extents) != 1 or extents[0][0] != "SPARSE" or "/" in extents[0][1]:
        return Finding("vmdk", size, "its VMDK extents are not the file itself; export it as streamOptimized.")
    return Finding("vmdk", size)
