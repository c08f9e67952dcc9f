"""What is written down when something goes wrong, and how a user can hand it on without handing on a chat."""
