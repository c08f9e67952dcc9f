"""Getting the bytes of one file from the hub, however often the connection breaks.

The client's own `http_get` hands on ten megabytes at a time and loses what it holds of them when a connection breaks,
sleeps where it cannot be woken, and does not tell how far it is; so the bytes are streamed here, over the same
session of `huggingface_hub`, with its proxies and certificates.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from app.models import hub
from app.models.halt import Halt
from app.models.hub_errors import HubError, TransientError, translated
from app.models.partial import PartialFile

_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


@dataclass(frozen=True)
class Patience:
    """How long to go on trying.

    Attributes:
        tries: failures in a row without a new byte, after which the download is left for later.
        first_wait, longest_wait: seconds between tries; each wait is twice the one before.
        longest_asked: seconds that a hub may ask to wait.
        silence: seconds without a byte after which a connection counts as broken.
    """

    tries: int = 6
    first_wait: float = 1.0
    longest_wait: float = 20.0
    longest_asked: float = 300.0
    silence: float = 15.0


def persist(act: Callable[[], None], progress: Callable[[], int], halt: Halt, patience: Patience, waiting) -> None:
    """Call `act` until it ends without a `TransientError`.

    Args:
        progress: a number that grows when `act` gets anywhere, which renews the patience.
        waiting: called with the sentence of the error before each wait, and with "" after it.

    Raises:
        TransientError: the patience is spent; its sentence says that what came is kept.
        HubError: trying again is of no use.
        HaltedError: by `halt`.
    """
    failures, reached = 0, progress()
    while True:
        halt.check()
        try:
            return act()
        except TransientError as error:
            halt.check()  # halting breaks the connection
            failures = 1 if progress() > reached else failures + 1
            reached = progress()
            asked = error.wait or 0.0
            if failures >= patience.tries or asked > patience.longest_asked:
                raise TransientError(f"{error} What has come is kept: resume later.") from error
            waiting(str(error))
            halt.wait(max(asked, min(patience.longest_wait, patience.first_wait * 2 ** (failures - 1))))
            waiting("")


def stream(
    listing: hub.Listing, file: hub.RemoteFile, part: PartialFile, came: Callable[[int], None], halt: Halt, silence
) -> None:
    """Ask once for what is missing of a file and write what comes.

    Raises:
        TransientError: it did not all come. HubError: it will not. HaltedError: by `halt`. OSError: of the disk.
    """
    from huggingface_hub import get_session
    from huggingface_hub.utils import hf_raise_for_status

    hub.check_online()
    # Compressed, the bytes could not be counted, nor asked for from the middle.
    headers = {**hub.headers(), "Accept-Encoding": "identity"}
    if part.length:
        headers["Range"] = f"bytes={part.length}-"
    with (
        translated(listing.repo, hub.host(), hub.endpoint()),
        get_session().stream("GET", hub.address(listing, file.path), headers=headers, timeout=silence) as response,
        halt.guarding(response),
    ):
        if response.is_error:
            response.read()
        hf_raise_for_status(response)
        _check_pin(response, listing, file)
        pour(response, file, part, came, hub.host())
    if part.missing:
        raise TransientError(f"The connection to {hub.host()} broke.")


def pour(response, file: hub.RemoteFile, part: PartialFile, came: Callable[[int], None], host: str) -> None:
    """Write what a streamed answer holds of a file, from where the part ends.

    Raises:
        TransientError: the answer is of something else.
    """
    # After a halt this still takes in what had arrived, and then ends by the broken connection.
    for chunk in _beyond(part.length, response, file, host):
        before = part.length
        part.write(chunk)
        came(part.length - before)


def _beyond(offset: int, response, file: hub.RemoteFile, host: str) -> Iterator[bytes]:
    """The body's chunks from `offset` of the file on, also where the whole file is sent instead of the rest.

    Raises:
        TransientError: the body is none of the two, as when a network shows its log-in page instead.
    """
    skip = offset
    if response.status_code == 206:
        said = _RANGE.match(response.headers.get("content-range", ""))
        right = said is not None and int(said[1]) == offset and said[2] in ("*", str(file.bytes))
        skip = 0
    else:
        right = response.headers.get("content-length", str(file.bytes)) == str(file.bytes)
    if not right:
        raise TransientError(f"Something else than {file.path} came from {host}: does the network ask to log in?")
    for chunk in response.iter_raw():
        if skip >= len(chunk):
            skip -= len(chunk)
            continue
        yield chunk[skip:]
        skip = 0


def _check_pin(response, listing: hub.Listing, file: hub.RemoteFile) -> None:
    """The hub states commit and size on its own answer, before it sends the client to where the bytes are."""
    first = (response.history or [response])[0].headers
    if first.get("x-repo-commit", listing.commit) != listing.commit:
        raise HubError(f"{hub.host()} answers for another commit of {listing.repo} than was asked for; try again.")
    if first.get("x-linked-size", str(file.bytes)) != str(file.bytes):
        raise HubError(f"{hub.host()} has {file.path} in another size than it lists; try again later.")
