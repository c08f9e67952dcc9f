"""The dialog that trains drafts."""
