"""The user's access token for gated models, kept where the system keeps passwords.

Looked for in this order: HF_TOKEN, the system's keyring, what `hf auth login` left in HF_HOME. Where the system has
no keyring, a token that is given here lives in memory until the program ends.
"""

import logging
import os

log = logging.getLogger(__name__)

_SERVICE = "S3D Chat"
_ACCOUNT = "hub access token"

_in_memory: str | None = None


def token() -> str | None:
    """The token to use, or None."""
    return os.environ.get("HF_TOKEN", "").strip() or _in_memory or _from_keyring() or _from_login()


def remember(value: str) -> bool:
    """Keep a token; an empty one forgets it.

    Returns:
        Whether it is kept beyond this run of the program.
    """
    global _in_memory
    value = value.strip()
    _in_memory = value or None
    keyring = _keyring()
    if keyring is None:
        return False
    try:
        if value:
            keyring.set_password(_SERVICE, _ACCOUNT, value)
        elif keyring.get_password(_SERVICE, _ACCOUNT) is not None:
            keyring.delete_password(_SERVICE, _ACCOUNT)
    except Exception as error:  # backends raise many kinds: locked, denied, no session
        log.warning("the keyring did not take the token: %s", type(error).__name__)
        return False
    return True


def has_keyring() -> bool:
    """Whether a token outlives the program."""
    return _keyring() is not None


def _keyring():
    """The system's keyring, or None where there is none that keeps secrets."""
    import keyring
    from keyring.backends import fail, null

    try:
        backend = keyring.get_keyring()
    except Exception as error:
        log.info("no keyring: %s", error)
        return None
    return None if isinstance(backend, fail.Keyring | null.Keyring) else backend


def _from_keyring() -> str | None:
    keyring = _keyring()
    if keyring is None:
        return None
    try:
        return keyring.get_password(_SERVICE, _ACCOUNT)
    except Exception as error:
        log.info("the keyring cannot be read: %s", type(error).__name__)
        return None


def _from_login() -> str | None:
    from huggingface_hub import get_token

    return get_token()
