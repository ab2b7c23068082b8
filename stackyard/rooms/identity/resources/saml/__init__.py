"""SAML 2.0 between clouds: assertions that this one makes for its people, and those of others that it takes."""
