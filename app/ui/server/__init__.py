"""The switch of the local server."""
