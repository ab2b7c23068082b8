"""What a cloud tells of itself: metrics, health, traces, the audit trail. Nothing here changes what the cloud does, and
nothing here may fail a request or an operation."""
