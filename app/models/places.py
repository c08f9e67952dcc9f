"""The folders that belong to the program."""

import os
from pathlib import Path

import platformdirs


def data_dir() -> Path:
    """The user's data folder of this program: `$S3D_HOME` where it is set, else the system's place for it."""
    if home := os.environ.get("S3D_HOME"):
        return Path(home).expanduser().absolute()
    return Path(platformdirs.user_data_dir("s3d-chat", appauthor=False))


def models_dir() -> Path:
    """The folder of models: one folder for each, or a lone `.gguf` file."""
    return data_dir() / "models"


def compiled_dir() -> Path:
    """The folder of what was compiled for this machine; may be deleted at any time."""
    return data_dir() / "compiled"


def chats_path() -> Path:
    """The file of the user's chats."""
    return data_dir() / "chats.sqlite3"


def adapters_dir() -> Path:
    """The folder of the draft adapters that this user trained."""
    return data_dir() / "adapters"
