"""What a user can set: declared once, kept in one file. No Qt."""
