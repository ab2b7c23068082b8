"""Archives of container images, as tenants send them: honest, odd, damaged."""

import bz2
import gzip
import hashlib
import io
import json
import lzma
import tarfile
from collections.abc import Callable
from typing import Any

import pytest

from stackyard.hosts import container_image
from stackyard.hosts.container_image import BadArchive

LAYER = b"a layer" * 1000


def tar(files: dict[str, bytes], **links: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for name, target in links.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    return buffer.getvalue()


def docker_save(**changes: Any) -> bytes:
    entry = {"Config": "config.json", "RepoTags": ["theirs:latest"], "Layers": ["layer.tar"]} | changes
    return tar({"config.json": b"{}", "layer.tar": LAYER, "manifest.json": json.dumps([entry]).encode()})


def blob(content: bytes, blobs: dict[str, bytes], **more: Any) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    blobs[f"blobs/sha256/{digest}"] = content
    return {"digest": f"sha256:{digest}", "size": len(content), **more}


def oci_layout(architectures: list[str], nested: bool = False) -> bytes:
    blobs: dict[str, bytes] = {}
    entries = []
    for architecture in architectures:
        manifest = {"config": blob(architecture.encode(), blobs), "layers": [blob(LAYER, blobs)]}
        platform = {"architecture": architecture, "os": "linux"}
        entries.append(blob(json.dumps(manifest).encode(), blobs, platform=platform))
    index = {"manifests": entries}
    if nested:
        index = {"manifests": [blob(json.dumps(index).encode(), blobs)]}
    return tar({"oci-layout": b"{}", "index.json": json.dumps(index).encode(), **blobs})


def taken(data: bytes, name: str = "ours:1") -> tuple[dict[str, Any], dict[str, bytes]]:
    """What the engine is given for an archive: the manifest, and the files."""
    out = io.BytesIO(b"".join(container_image.renamed(io.BytesIO(data), name)))
    with tarfile.open(fileobj=out) as archive:
        files = {member.name: archive.extractfile(member).read() for member in archive if member.isreg()}  # type: ignore[union-attr]
    (manifest,) = json.loads(files.pop("manifest.json"))
    return manifest, files


def test_an_archive_keeps_its_parts_and_loses_its_names() -> None:
    manifest, files = taken(docker_save())
    assert manifest == {"Config": "config.json", "RepoTags": ["ours:1"], "Layers": ["layer.tar"]}
    assert files == {"config.json": b"{}", "layer.tar": LAYER}


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_archive_is_taken(compress: Callable[[bytes], bytes]) -> None:
    assert taken(compress(docker_save())) == taken(docker_save())


@pytest.mark.parametrize("nested", [False, True])
def test_an_oci_layout_gives_the_image_for_this_machine(nested: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container_image, "_ARCHITECTURE", "amd64")
    manifest, files = taken(oci_layout(["arm64", "amd64"], nested))
    assert files[manifest["Config"]] == b"amd64"
    assert [files[layer] for layer in manifest["Layers"]] == [LAYER]
    assert "index.json" not in files


def test_what_docker_saved_is_what_saved_writes() -> None:
    manifest, files = taken(b"".join(container_image.saved("first:1", LAYER, {"Cmd": ["x"]})))
    config = json.loads(files[manifest["Config"]])
    assert config["config"] == {"Cmd": ["x"]}
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(LAYER).hexdigest()}"]


@pytest.mark.parametrize("evil", ["../outside", "/etc/passwd", "a/../../outside"])
def test_parts_that_point_outside_are_left_out(evil: str) -> None:
    with tarfile.open(fileobj=(buffer := io.BytesIO(docker_save())), mode="a") as archive:
        archive.addfile(tarfile.TarInfo(evil))
    assert set(taken(buffer.getvalue())[1]) == {"config.json", "layer.tar"}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (tar({"etc/passwd": b""}), "neither manifest.json nor index.json"),
        (tar({"repositories": b"{}"}), "before 1.10"),
        (tar({"manifest.json": b"[]"}), "holds 0 images"),
        (tar({"manifest.json": b"{not json"}), "damaged"),
        (tar({"manifest.json": b'["text"]'}), "damaged"),
        (tar({"manifest.json": b"7"}), "damaged"),
        (docker_save(Layers=["other.tar"]), "lacks other.tar"),
        (docker_save(Config="../../etc/shadow"), "lacks ../../etc/shadow"),
        (oci_layout(["s390x", "riscv64"]), "holds 0 images for"),
        (docker_save()[:5000], "damaged"),
        (gzip.compress(docker_save(), mtime=0)[:60], "damaged"),
        (b"\x1f\x8b" + bytes(100), "damaged"),
        (b"PK\x03\x04" + bytes(600), "ZIP"),
        (b"(\xb5/\xfd" + bytes(600), "zstd"),
        (bytes(0x8001) + b"CD001", "ISO 9660"),
        (bytes(64) + b"\x7f\x10\xda\xbe" + bytes(600), "VDI"),
        (bytes(5000), "no tar"),
    ],
)
def test_what_cannot_be_taken_is_told(data: bytes, told: str) -> None:
    with pytest.raises(BadArchive, match=told):
        taken(data)


def test_the_small_linux_has_a_shell_and_the_tools_of_the_demo() -> None:
    with tarfile.open(fileobj=io.BytesIO(container_image.busybox_tree())) as archive:
        names = set(archive.getnames())
    assert {"bin/busybox", "bin/sh", "bin/ping", "usr/bin/wget", "usr/sbin/httpd", "etc/passwd", "tmp"} <= names
