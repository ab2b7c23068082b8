"""The words of declarations: resources, kinds of values, versions, dialects, manifests."""
