"""Conversations, free of Qt and torch."""
