"""The speed panel."""
