"""Where a double click lands. With arguments, the terminal commands."""

import sys


def main() -> int:
    """Open the window, or run the command that was asked for; returns the exit code."""
    if sys.argv[1:]:
        from app.cli import main as run_command

        return run_command()
    from app.bootstrap import run_window

    return run_window()


if __name__ == "__main__":
    sys.exit(main())
