"""The thread that owns the decoder, and what the window sees of it."""
