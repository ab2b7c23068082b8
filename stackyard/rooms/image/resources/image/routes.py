"""The doors of images that a plain declaration has no word for: free properties, patches and streams."""

from typing import Any, Literal

from stackyard.kernel.declare.resource import Allow, Route
from stackyard.kernel.errors import BadRequest, UnsupportedMediaType
from stackyard.kernel.request.exchange import Reply, Request
from stackyard.kernel.request.representation import is_known
from stackyard.kernel.request.shapes import show
from stackyard.kernel.storage import rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.image.dialect import DIALECT
from stackyard.rooms.image.ranges import requested
from stackyard.rooms.image.resources.image import attributes, data, imports, listing, patch, resource, rules, store
from stackyard.rooms.image.vault import vault

OCTETS = "application/octet-stream"


def _list(work: Work, request: Request) -> Any:
    records, next_marker = store.page(work, listing.read(request.raw_query))
    shown = [show(work, resource.IMAGE, each, DIALECT, "") for each in records]
    return {"images": shown, "schema": "/v2/schemas/images", **listing.links(request.raw_query, next_marker)}


def _create(work: Work, request: Request) -> Reply:
    record = rules.create(work, attributes.read(request.body))
    body = _shown(work, record)
    headers = {
        "Location": f"{work.base_url}/image{body['self']}",
        "OpenStack-image-import-methods": ",".join(imports.METHODS),
        "OpenStack-image-store-ids": vault(work.services).store.name,
    }
    return Reply(status=201, body=body, headers=headers)


def _update(work: Work, request: Request) -> Any:
    changes = patch.read(request.content_type, request.body)
    return _shown(work, rules.update(work, request.params["id"], changes))


def _shown(work: Work, record: Record) -> dict[str, Any]:
    return rows.show(work, resource.IMAGE, record, DIALECT)


def _receive(work: Work, request: Request, goal: Literal["active", "uploading"]) -> Any:
    if request.content_type != OCTETS:
        raise UnsupportedMediaType(f"Image data has the media type {OCTETS}, not '{request.content_type[:100]}'.")
    _check_store(request.headers.get("x-image-meta-store"), vault(work.services).store.name)
    arrival = data.accept(work, request.params["id"], goal, request.content_length)
    stream = request.stream or iter(())

    def receive() -> Reply:
        data.receive(arrival, stream)
        return Reply(status=204)

    return receive


def _check_store(asked: str | None, known: str) -> None:
    if asked and asked != known:
        raise BadRequest(
            f"There is no store '{asked[:80]}'.", remedy=f"Give {known}, or none.", field="x-image-meta-store"
        )


def _upload(work: Work, request: Request) -> Any:
    return _receive(work, request, "active")


def _stage(work: Work, request: Request) -> Any:
    return _receive(work, request, "uploading")


def _download(work: Work, request: Request) -> Any:
    record = data.locate(work, request.params["id"])
    if record.status not in data.HAS_DATA:
        return Reply(status=204)
    tag, known = _tag(record), request.headers.get("if-none-match")
    if tag is not None and known is not None and is_known(known, tag):
        return Reply(status=304, headers={"ETag": tag})
    part = request.headers.get("range") if request.headers.get("if-range") in (None, tag) else None
    span = requested(part, record.size)
    opened = data.reader(work.services, record, *(span or (0, None)))
    return lambda: _portion(record, opened(), partial=span is not None)


def _tag(record: Record) -> str | None:
    """Data never changes once it is complete, and its digest names it: a download that broke off can go on."""
    digest = record.os_hash_value or record.checksum
    return f'"{digest}"' if digest else None


def _portion(record: Record, portion: data.Portion, *, partial: bool) -> Reply:
    headers = {"Content-Length": str(portion.length), "Accept-Ranges": "bytes"}
    if tag := _tag(record):
        headers["ETag"] = tag
    if partial:
        last = portion.offset + portion.length - 1
        headers["Content-Range"] = f"bytes {portion.offset}-{last}/{portion.size}"
    elif record.checksum:
        headers["Content-MD5"] = record.checksum
    return Reply(status=206 if partial else 200, stream=portion.chunks, headers=headers, content_type=OCTETS)


_LIST = Allow("get_images", "role:admin or role:reader")
_ONE = "/v2/images/{id}"

ROUTES = [
    Route(method="GET", path="/v2/images", handler=_list, allow=_LIST, doc="List images."),
    Route(method="POST", path="/v2/images", handler=_create, status=201, doc="Register an image."),
    Route(method="PATCH", path=_ONE, handler=_update, answers=(415,), doc="Change an image by Glance's JSON patch."),
    Route(
        method="PUT",
        path=f"{_ONE}/file",
        handler=_upload,
        stream=True,
        status=204,
        answers=(415, 507),
        doc="Upload an image's data.",
    ),
    Route(
        method="GET",
        path=f"{_ONE}/file",
        handler=_download,
        reads="driver",
        answers=(204, 206, 416),
        doc="Download data, or a range of it.",
    ),
    Route(
        method="PUT",
        path=f"{_ONE}/stage",
        handler=_stage,
        stream=True,
        status=204,
        answers=(415, 507),
        doc="Upload data for an import.",
    ),
]
