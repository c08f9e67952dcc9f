"""Training draft adapters in a process of its own, watched from the window."""
