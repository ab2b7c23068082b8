"""A walk through the image service by openstacksdk, run by the clients' own Python; prints what it found as JSON.

Arguments: the folder of clouds.yaml is in OS_CLIENT_CONFIG_FILE; a file to upload; a file to write.
"""

import json
import sys

import openstack
from openstack import exceptions


def walk(data: str, copy: str) -> dict[str, object]:
    """Each step by the SDK's proxy, each effect read back."""
    demo, admin = openstack.connect("stackyard"), openstack.connect("stackyard-admin")
    found: dict[str, object] = {}
    image = demo.image.create_image(
        "walk", filename=data, disk_format="raw", container_format="bare", wait=True, tags=["t"], hw_arch="arm"
    )
    image = demo.image.get_image(image)
    found["created"] = [image.status, image.size, image.properties.get("hw_arch"), image.tags]
    demo.image.update_image(image, name="walked", min_ram=64, hw_arch="x86_64")
    image = demo.image.find_image("walked")
    found["updated"] = [image.name, image.min_ram, image.properties.get("hw_arch")]
    found["digest"] = image.hash_value
    demo.image.download_image(image, output=copy)
    project = admin.current_project_id
    demo.image.add_member(image, member=project)
    found["members"] = [[each.member_id == project, each.status] for each in demo.image.members(image)]
    admin.image.update_member(project, image, status="accepted")
    found["accepted"] = [each.status for each in demo.image.members(image)]
    demo.image.add_tag(image, "u")
    demo.image.remove_tag(image, "t")
    found["tags"] = demo.image.get_image(image).tags
    demo.image.deactivate_image(image)
    found["deactivated"] = demo.image.get_image(image).status
    demo.image.reactivate_image(image)
    staged = demo.image.create_image(
        "staged", filename=data, disk_format="raw", container_format="bare", use_import=True, wait=True
    )
    found["imported"] = demo.image.wait_for_status(staged, "active", ["queued"], interval=0.2, wait=20).status
    found["listed"] = sorted(each.name for each in demo.image.images(limit=1))
    found["stores"] = [each.id for each in demo.image.stores()]
    try:
        demo.image.update_image(image, visibility="public")
    except exceptions.ForbiddenException as refused:
        found["refused"] = str(refused)
    for each in list(demo.image.images()):
        demo.image.delete_image(each)
    found["left"] = [each.name for each in demo.image.images()]
    return found


if __name__ == "__main__":
    print(json.dumps(walk(sys.argv[1], sys.argv[2])))
