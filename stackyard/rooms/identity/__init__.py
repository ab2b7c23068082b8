"""Who may use the cloud and as what: the Identity API (Keystone v3)."""
