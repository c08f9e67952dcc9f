"""The terminal commands, one module each, with `add_parser(subparsers)` and `run(args) -> exit code`.

A module here may import torch only inside `run`, so that help and errors in the usage come at once.
"""
