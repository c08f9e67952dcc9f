"""Chats on the disk, free of Qt and torch."""
