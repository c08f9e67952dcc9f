"""Models on this computer: where they lie, which are whole, and the one that comes with the program."""
