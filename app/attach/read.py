"""The text of a file: plain text in any usual encoding, Markdown, code, or a PDF."""

import io
import logging
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from s3d_core.errors import S3DError

log = logging.getLogger(__name__)

MOST_BYTES = 50_000_000
MOST_LETTERS = 1_000_000


class AttachmentError(S3DError):
    """A file cannot be attached."""


@dataclass(frozen=True)
class Attachment:
    """A file's text.

    Attributes:
        name: the file's name, on one line.
        language: what a code fence calls it: the suffix, or "text".
    """

    name: str
    language: str
    text: str


def read(path: Path) -> Attachment:
    """Read a file. A large PDF takes seconds.

    Raises:
        AttachmentError: one sentence with the file's name.
    """
    name = "".join(letter if letter.isprintable() else "_" for letter in path.name) or "file"
    try:
        if path.is_dir():
            raise AttachmentError(f"{name} is a folder: attach the files in it instead.")
        if not path.is_file():
            raise AttachmentError(f"{name} is not there or is no file: choose another one.")
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise AttachmentError(
                f"{name} is too large ({size / 1e6:,.0f} MB): "
                f"files of up to {MOST_BYTES // 1_000_000} MB can be attached."
            )
        content = path.read_bytes()
    except OSError as error:
        raise AttachmentError(f"{name} cannot be read ({error.strerror or error}): check its permissions.") from error
    suffix = path.suffix[1:].lower()
    if content.startswith(b"%PDF-") or suffix == "pdf":
        text, language = _pdf_text(content, name), "text"
    else:
        text, language = _plain_text(content, name), suffix if suffix.isalnum() and suffix != "txt" else "text"
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    if not text.strip():
        raise AttachmentError(f"{name} is empty: there is nothing to read in it.")
    if len(text) > MOST_LETTERS:
        raise AttachmentError(
            f"{name} holds {len(text):,} letters of text, more than any context takes: attach a part of it."
        )
    return Attachment(name, language, text)


def _plain_text(content: bytes, name: str) -> str:
    encodings = ["utf-16"] if content.startswith((b"\xff\xfe", b"\xfe\xff")) else ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        # A form feed separates pages of text, and terminals' colours begin with an escape.
        if not any(unicodedata.category(letter) == "Cc" and letter not in "\t\n\r\f\x1b" for letter in set(text)):
            return text
    raise AttachmentError(f"{name} is no text: attach text, Markdown, code or a PDF.")


def _pdf_text(content: bytes, name: str) -> str:
    from pypdf import PasswordType, PdfReader
    from pypdf.errors import DependencyError

    locked = f"{name} is encrypted: save it without a password first."
    try:
        reader = PdfReader(io.BytesIO(content))
        # Most encrypted files only forbid printing and open without a password.
        if reader.is_encrypted and reader.decrypt("") == PasswordType.NOT_DECRYPTED:
            raise AttachmentError(locked)
        pages, letters = [], 0
        for page in reader.pages:
            pages.append(page.extract_text().strip())
            letters += len(pages[-1])
            if letters > MOST_LETTERS:
                break
    except AttachmentError:
        raise
    except DependencyError as error:
        raise AttachmentError(locked) from error
    except Exception as error:  # a damaged file makes the library raise whatever it likes
        log.info("the PDF %s cannot be read: %s", name, error)
        raise AttachmentError(f"{name} is damaged or is no PDF: save it anew, or attach its text.") from error
    text = "\n\n".join(page for page in pages if page)
    if not text:
        raise AttachmentError(f"{name} holds pictures of pages and no text: run a text recognition on it first.")
    # Ligatures as the letters that tokenizers know; what cannot be encoded goes.
    plain = "".join(unicodedata.normalize("NFKC", it) if "\ufb00" <= it <= "\ufb06" else it for it in text)
    return plain.encode("utf-8", "ignore").decode("utf-8")
