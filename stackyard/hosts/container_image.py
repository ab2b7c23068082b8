"""Container images as archives: what `docker save` writes, OCI layouts, and a small Linux made of busybox."""

import hashlib
import io
import json
import lzma
import platform
import posixpath
import shutil
import subprocess
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

_ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
_CHUNK = 1 << 20
_LONGEST_JSON = 8 << 20
_DAMAGE = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError)
_COMPRESSED_TAR = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00")
_FOREIGN = [
    (0, b"QFI\xfb", "a qcow2 disk"),
    (0, b"KDMV", "a VMDK disk"),
    (0, b"# Disk DescriptorFile", "a VMDK disk"),
    (0, b"vhdxfile", "a VHDX disk"),
    (0, b"conectix", "a VHD disk"),
    (64, b"\x7f\x10\xda\xbe", "a VDI disk"),
    (0, b"LUKS\xba\xbe", "an encrypted disk"),
    (0x8001, b"CD001", "an ISO 9660 disc"),
    (0, b"(\xb5/\xfd", "zstd-compressed, which this node cannot read; use gzip"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x7fELF", "a program"),
    (510, b"\x55\xaa", "a raw disk"),
]
_WANTED = "a container image is a `docker save` archive or an OCI layout, as tar"


class BadArchive(Exception):
    """The data is not a container image; the text says what it is instead, or what is wrong with it."""


def check_beginning(data: bytes) -> None:
    """BadArchive when the first bytes (33 KiB tell all kinds) are not those of a tar, plain or compressed."""
    if data.startswith(_COMPRESSED_TAR) or data[257:262] == b"ustar":
        return
    for offset, magic, what in _FOREIGN:
        if data[offset : offset + len(magic)] == magic:
            raise BadArchive(f"the image is {what}; {_WANTED}")
    raise BadArchive(f"the image is {'empty' if not data else 'no tar archive'}; {_WANTED}")


def renamed(file: IO[bytes], name: str) -> Iterator[bytes]:
    """The one image in an archive (a seekable file), as a plain `docker save` archive in which it is called `name`.

    The archive's own names are left out. BadArchive is raised at once, before the first chunk.
    """
    file.seek(0)
    check_beginning(file.read(0x8010))
    file.seek(0)
    try:
        archive = tarfile.open(fileobj=file, mode="r:*")  # noqa: SIM115 - the returned iterator reads it
        members = {posixpath.normpath(member.name): member for member in archive}
        config, layers = _find_image(archive, members)
    except (*_DAMAGE, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadArchive(f"the archive is damaged: {error}") from error
    return _emit(archive, members, {"Config": config, "RepoTags": [name], "Layers": layers})


def _find_image(archive: tarfile.TarFile, members: dict[str, tarfile.TarInfo]) -> tuple[str, list[str]]:
    """Where the image's configuration and layers are in the archive."""
    if "manifest.json" in members:
        images = _read_json(archive, members["manifest.json"])
        if len(images) != 1:
            raise BadArchive(f"the archive holds {len(images)} images; save one alone")
        config, layers = str(images[0]["Config"]), [str(layer) for layer in images[0]["Layers"] or []]
    elif "index.json" in members:
        manifest = _oci_manifest(archive, members, _read_json(archive, members["index.json"]))
        config, layers = _blob(manifest["config"]), [_blob(layer) for layer in manifest["layers"]]
    elif "repositories" in members:
        raise BadArchive("the archive was made by Docker before 1.10; save the image again")
    else:
        raise BadArchive(f"the archive has neither manifest.json nor index.json; {_WANTED}")
    for part in (config, *layers):
        if posixpath.normpath(part) not in members:
            raise BadArchive(f"the archive lacks {part}")
    return config, layers


def _oci_manifest(archive: tarfile.TarFile, members: dict[str, tarfile.TarInfo], index: Any) -> Any:
    """The manifest for this machine in an index, which may lead to it through further indexes."""
    entries = [each for each in index["manifests"] if _runs_here(each)]
    if len(entries) != 1:
        raise BadArchive(f"the layout holds {len(entries)} images for {_ARCHITECTURE}; one is needed")
    name = _blob(entries[0])
    if name not in members:
        raise BadArchive(f"the archive lacks {name}")
    found = _read_json(archive, members[name])
    return _oci_manifest(archive, members, found) if "manifests" in found else found


def _runs_here(entry: Any) -> bool:
    return bool((entry.get("platform") or {}).get("architecture", _ARCHITECTURE) == _ARCHITECTURE)


def _blob(descriptor: Any) -> str:
    kind, _, digest = str(descriptor["digest"]).partition(":")
    return f"blobs/{kind}/{digest}"


def _read_json(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Any:
    content = archive.extractfile(member)
    if content is None or member.size > _LONGEST_JSON:
        raise BadArchive(f"{member.name} is not a file of sensible size")
    return json.loads(content.read())


def _emit(archive: tarfile.TarFile, members: dict[str, tarfile.TarInfo], manifest: dict[str, Any]) -> Iterator[bytes]:
    dropped = {"manifest.json", "repositories", "index.json", "oci-layout"}
    with archive:
        for name, member in members.items():
            if name in dropped or name.startswith(("/", "..")):
                continue
            content = archive.extractfile(member) if member.isreg() else None
            if content is not None:
                yield from _entry(name, content, member.size)
            elif member.issym():
                link = tarfile.TarInfo(name)
                link.type, link.linkname = tarfile.SYMTYPE, member.linkname
                yield link.tobuf(tarfile.PAX_FORMAT)
    text = json.dumps([manifest]).encode()
    yield from _entry("manifest.json", io.BytesIO(text), len(text))
    yield bytes(2 * tarfile.BLOCKSIZE)


def _entry(name: str, content: IO[bytes], size: int) -> Iterator[bytes]:
    head = tarfile.TarInfo(name)
    head.size = size
    yield head.tobuf(tarfile.PAX_FORMAT)
    try:
        while chunk := content.read(_CHUNK):
            yield chunk
    except _DAMAGE as error:
        raise BadArchive(f"the archive is damaged at {name}: {error}") from error
    yield bytes(-size % tarfile.BLOCKSIZE)


def saved(name: str, layer: bytes, config: dict[str, Any]) -> Iterator[bytes]:
    """A `docker save` archive of an image with one layer (a tar); `config` is its `Cmd`, `Env`, … part."""
    digest = hashlib.sha256(layer).hexdigest()
    image = {
        "architecture": _ARCHITECTURE,
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    text = json.dumps(image).encode()
    config_name = f"{hashlib.sha256(text).hexdigest()}.json"
    manifest = json.dumps([{"Config": config_name, "RepoTags": [name], "Layers": [f"{digest}/layer.tar"]}]).encode()
    for path, content in ((config_name, text), (f"{digest}/layer.tar", layer), ("manifest.json", manifest)):
        yield from _entry(path, io.BytesIO(content), len(content))
    yield bytes(2 * tarfile.BLOCKSIZE)


# --- a small Linux


#: What makes a directory tree a place where programs feel at home.
_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
    "etc/os-release": 'ID=cirros\nNAME="busybox, by Stackyard"\n',
    "var/www/index.html": "<h1>It works</h1>\n",
}
_DIRECTORIES = (
    "bin",
    "sbin",
    "usr/bin",
    "usr/sbin",
    "dev",
    "etc",
    "home",
    "proc",
    "root",
    "run",
    "sys",
    "tmp",
    "var/www",
)


class NoBusybox(Exception):
    """The host has no busybox that runs without libraries."""


def busybox_tree() -> bytes:
    """A tar of a small Linux: the host's own busybox with a link for each applet, accounts, the usual directories."""
    found = shutil.which("busybox", path="/bin:/usr/bin:/usr/local/bin")
    program = Path(found).read_bytes() if found else b""
    if found is None or b"ld-linux" in program[:8192]:
        raise NoBusybox("no static busybox on this host; on Debian: apt-get install busybox-static")
    listed = subprocess.run([found, "--list-full"], capture_output=True, text=True, check=True).stdout.split()
    applets = [applet for applet in listed if applet != "bin/busybox"]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tree:
        for path in _DIRECTORIES:
            directory = tarfile.TarInfo(path)
            directory.type, directory.mode = tarfile.DIRTYPE, 0o1777 if path == "tmp" else 0o755
            tree.addfile(directory)
        for path, content in {"bin/busybox": program, **{path: text.encode() for path, text in _FILES.items()}}.items():
            file = tarfile.TarInfo(path)
            file.size, file.mode = len(content), 0o755 if path == "bin/busybox" else 0o644
            tree.addfile(file, io.BytesIO(content))
        for applet in applets:
            link = tarfile.TarInfo(applet)
            link.type, link.linkname = tarfile.SYMTYPE, "/bin/busybox"
            tree.addfile(link)
    return buffer.getvalue()
