"""What image data may not be: a way into the files of the host that opens it."""

import struct
from pathlib import Path
from subprocess import run

import pytest

from stackyard.rooms.image.formats import LOOKED_AT, inspect
from tests.rooms.image.glance import Glance


def qcow2(*, version: int = 3, backing: int = 0, size: int = 1 << 30, features: int = 0) -> bytes:
    """A qcow2 header."""
    head = b"QFI\xfb" + struct.pack(">IQIIQ", version, backing, 8 if backing else 0, 16, size)
    return (head.ljust(72, b"\0") + struct.pack(">Q", features)).ljust(512, b"\0")


def vmdk(kind: str = "monolithicSparse", extent: str = 'RW 2048 SPARSE "disk.vmdk"') -> bytes:
    """A sparse VMDK header with its descriptor in the second sector."""
    head = b"KDMV" + struct.pack("<IIQQQQ", 1, 3, 2048, 128, 1, 1)
    return head.ljust(512, b"\0") + f'# Disk DescriptorFile\ncreateType="{kind}"\n{extent}\n'.encode().ljust(512, b"\0")


@pytest.mark.parametrize(
    ("head", "form", "virtual_size"),
    [
        (b"", "raw", None),
        (b"anything at all", "raw", None),
        (qcow2(), "qcow2", 1 << 30),
        (qcow2(version=2), "qcow2", 1 << 30),
        (vmdk(), "vmdk", 1 << 20),
        (vmdk("streamOptimized"), "vmdk", 1 << 20),
        (b"vhdxfile" + b"\0" * 100, "vhdx", None),
        (b"conectix".ljust(48, b"\0") + struct.pack(">Q", 4096), "vhd", 4096),
        (b"\0" * 64 + b"\x7f\x10\xda\xbe" + b"\0" * 300 + struct.pack("<Q", 8192), "vdi", 8192),
        (b"\0" * 32769 + b"CD001", "iso", None),
    ],
)
def test_formats_are_known_by_their_marks(head: bytes, form: str, virtual_size: int | None) -> None:
    found = inspect(head[:LOOKED_AT])
    assert (found.format, found.virtual_size, found.unsafe) == (form, virtual_size, None)


UNSAFE = [
    (qcow2(backing=1024), "backing file"),
    (qcow2(features=1 << 2), "another file"),
    (qcow2(features=1 << 40), "features"),
    (qcow2(version=9), "version 9"),
    (qcow2(size=2**64 - 1), "larger than any disk"),
    (qcow2()[:40], "cut short"),
    (b"QED\0" + b"\0" * 60, "QED"),
    (b'# Disk DescriptorFile\nRW 1 FLAT "/etc/shadow" 0\n', "other files"),
    (vmdk("monolithicFlat"), "monolithicFlat"),
    (vmdk(extent='RW 2048 FLAT "/etc/shadow" 0'), "extents"),
    (vmdk(extent='RW 1 SPARSE "a"\nRW 1 SPARSE "/etc/shadow"'), "extents"),
    (b"KDMV" + b"\0" * 600, "unknown"),
]


@pytest.mark.parametrize(("data", "said"), UNSAFE)
@pytest.mark.parametrize("declared", ["raw", "qcow2"])
def test_an_image_that_names_other_files_is_refused_whatever_it_is_declared(
    glance: Glance, data: bytes, said: str, declared: str
) -> None:
    image = glance.image(disk_format=declared)
    answer = glance.upload(image["id"], data + b"\0" * 100_000 if len(data) > 500 else data)
    assert answer.status_code == 415
    assert said in answer.json()["message"]
    assert glance.show(image["id"])["status"] == "queued"
    assert glance.files() == []


def test_the_virtual_size_is_read_from_the_header(glance: Glance) -> None:
    assert glance.active(qcow2(), disk_format="qcow2")["virtual_size"] == 1 << 30
    assert glance.active(b"x" * 10, disk_format="qcow2")["virtual_size"] is None


def test_real_qemu_images_are_judged_rightly(tmp_path: Path) -> None:
    base = tmp_path / "base.raw"
    base.write_bytes(b"\0" * 1_000_000)
    for form, options in [
        ("qcow2", []),
        ("vmdk", []),
        ("vdi", []),
        ("vhdx", []),
        ("vmdk", ["-o", "subformat=streamOptimized"]),
    ]:
        whole = tmp_path / f"whole.{form}"
        run(["qemu-img", "convert", "-O", form, *options, base, whole], check=True, capture_output=True)
        found = inspect(whole.read_bytes()[:LOOKED_AT])
        assert (found.format, found.unsafe) == (form, None)
    backed = tmp_path / "backed.qcow2"
    run(["qemu-img", "create", "-f", "qcow2", "-b", base, "-F", "raw", backed], check=True, capture_output=True)
    assert inspect(backed.read_bytes()[:LOOKED_AT]).unsafe
