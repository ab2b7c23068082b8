"""Places where image bytes can live."""
