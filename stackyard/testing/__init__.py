"""Public test kit: conformance suites that every driver of a contract passes."""
