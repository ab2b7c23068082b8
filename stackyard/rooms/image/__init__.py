"""The image service (Glance v2): container images and disk images, their bytes, and who may use them."""
