"""What is known of a download that is not done, kept beside its files so that any later run can go on.

    models/.downloads/<repo>/journal.json    this
                             files/          verified files, and those on their way as *.part

The folder's name begins with a dot, so nothing in it is ever taken for a model.
"""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from app.models.hub import Listing, RemoteFile
from app.models.manifest import ModelFile
from app.models.places import models_dir
from app.models.wanted import Wanted

_NAME = "journal.json"
# How exact the system knows when it was started, in seconds.
_BOOT_ERROR = 10.0


@dataclass
class Journal:
    """One download.

    Attributes:
        wanted: what the user asked for.
        listing: what it was pinned to; None before the hub was asked.
        verified: the files that are here and right, by path.
        synced: bytes of partial files that the disk has kept for sure, by path.
        boot: when the system was started, as seconds since 1970.
        problem: the sentence that ended the last try, or "".
    """

    wanted: Wanted
    listing: Listing | None = None
    verified: dict[str, ModelFile] = field(default_factory=dict)
    synced: dict[str, int] = field(default_factory=dict)
    boot: float = 0.0
    problem: str = ""

    @property
    def folder(self) -> Path:
        """Where the journal lies."""
        return folder_of(self.wanted)

    @property
    def files(self) -> Path:
        """Where the model's files lie."""
        return self.folder / "files"

    @property
    def total(self) -> int:
        """Bytes of all files; 0 before the hub was asked."""
        return sum(file.bytes for file in self.listing.files) if self.listing else 0

    def part(self, file: RemoteFile) -> Path:
        """Where a file on its way lies."""
        return self.files / (local_name(file) + ".part")

    def kept(self, file: RemoteFile) -> int:
        """How many bytes of a partial file can be relied on."""
        if not self.part(file).exists():
            return 0
        here = min(file.bytes, self.part(file).stat().st_size)
        # What a killed program wrote is there; after a power cut only what the disk had kept for sure.
        same_boot = abs(self.boot - psutil.boot_time()) <= _BOOT_ERROR
        return here if same_boot else min(here, self.synced.get(file.path, 0))

    def settle(self) -> None:
        """Cut partial files down to what can be relied on, and begin to rely on this run of the system."""
        for file in self.listing.files if self.listing else ():
            if self.part(file).exists():
                os.truncate(self.part(file), self.kept(file))
        self.boot = psutil.boot_time()
        self.write()

    def here(self) -> int:
        """Bytes that need not be fetched any more."""
        done = 0
        for file in self.listing.files if self.listing else ():
            done += file.bytes if file.path in self.verified else self.kept(file)
        return done

    def write(self) -> None:
        """Write it, whole or not at all, and have the disk keep it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / (_NAME + ".partial")
        with partial.open("w", encoding="utf-8") as file:
            json.dump(asdict(self), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.folder / _NAME)


def local_name(file: RemoteFile) -> str:
    """What a file of a repo is called here: its name without the repo's folders."""
    return file.path.rpartition("/")[2]


def downloads_dir() -> Path:
    """The folder of all downloads."""
    return models_dir() / ".downloads"


def folder_of(wanted: Wanted) -> Path:
    """The folder of one download."""
    name = str(wanted).lower().replace("/", "--").replace("@", "-at-")
    return downloads_dir() / "".join(letter if letter.isalnum() or letter in "-._" else "_" for letter in name)


def read(folder: Path) -> Journal | None:
    """The journal in a download's folder; None where there is none that can be understood."""
    try:
        fields = json.loads((folder / _NAME).read_text(encoding="utf-8"))
        wanted = Wanted(**fields["wanted"])
        listing = fields["listing"]
        if listing is not None:
            listing["files"] = tuple(RemoteFile(**file) for file in listing["files"])
            listing = Listing(**listing)
        verified = {path: ModelFile(**file) for path, file in fields["verified"].items()}
        synced = {path: int(count) for path, count in fields["synced"].items()}
        return Journal(wanted, listing, verified, synced, float(fields["boot"]), str(fields["problem"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def unfinished() -> list[Journal]:
    """The journals of all downloads that are not done, the oldest first."""
    try:
        folders = sorted(downloads_dir().iterdir(), key=lambda folder: folder.stat().st_ctime)
    except OSError:
        return []
    journals = [read(folder) for folder in folders]
    return [journal for journal in journals if journal is not None and folder_of(journal.wanted) in folders]
