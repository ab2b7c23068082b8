"""Identity providers: who else says who somebody is."""
