"""The catalog: where every service is, made of regions, services and endpoints."""
