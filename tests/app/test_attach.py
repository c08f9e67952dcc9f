"""Files of every kind become text or one sentence, and a message that can be taken apart again."""

import io
import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pypdf import PdfReader, PdfWriter

from app.attach import read as reading
from app.attach.fence import fenced, with_files, without_files
from app.attach.read import Attachment, AttachmentError, read


def pdf(*pages: str) -> bytes:
    """A PDF with these lines as its pages, written by hand."""
    bodies = [b"<< /Type /Catalog /Pages 2 0 R >>"]
    kids = " ".join(f"{4 + 2 * at} 0 R" for at in range(len(pages)))
    bodies.append(f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode())
    bodies.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
    for at, line in enumerate(pages):
        drawn = f"BT /F1 12 Tf 72 700 Td ({line}) Tj ET".encode("cp1252") if line else b""
        bodies.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] "
            b"/Resources << /Font << /F1 3 0 R >> >> /Contents %d 0 R >>" % (5 + 2 * at)
        )
        bodies.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawn), drawn))
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(bodies, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    begin = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(bodies) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(bodies) + 1, begin)


def encrypted(password: str) -> bytes:
    writer, out = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf("Secret words")))), io.BytesIO()
    writer.encrypt(password, owner_password="owner", algorithm="RC4-128")
    writer.write(out)
    return out.getvalue()


@pytest.fixture
def put(tmp_path):
    def put_it(name: str, content: bytes):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return put_it


@pytest.mark.parametrize(
    ("name", "content", "language", "text"),
    [
        ("a.txt", b"plain\r\ntext\r\n", "text", "plain\ntext"),
        ("b.md", "# Größe".encode(), "md", "# Größe"),
        ("c.py", b"\xef\xbb\xbfx = 1\n", "py", "x = 1"),
        ("d.csv", "a;ü".encode("cp1252"), "csv", "a;ü"),
        ("e", "wide ✓".encode("utf-16"), "text", "wide ✓"),
        ("Makefile", b"all:\n\tmake", "text", "all:\n\tmake"),
        ("f.log", b"\x1b[31mred\x1b[0m", "log", "\x1b[31mred\x1b[0m"),
    ],
)
def test_text_is_read_in_any_usual_encoding(put, name, content, language, text):
    assert read(put(name, content)) == Attachment(name, language, text)


def test_a_pdf_is_read_page_by_page(put):
    assert read(put("paper.pdf", pdf("First page.", "", "Third page, 50 €"))).text == "First page.\n\nThird page, 50 €"


def test_a_pdf_is_known_by_its_content_too(put):
    assert read(put("paper.txt", pdf("Words"))).text == "Words"


def test_an_encrypted_pdf_that_opens_without_a_password_is_read(put):
    assert read(put("a.pdf", encrypted(""))).text == "Secret words"


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        (
            "picture.png",
            b"\x89PNG\r\n\x1a\n\x00\x00\x00",
            "picture.png is no text: attach text, Markdown, code or a PDF.",
        ),
        ("program", bytes(range(256)), "program is no text: attach text, Markdown, code or a PDF."),
        ("empty.md", b"", "empty.md is empty: there is nothing to read in it."),
        ("blank.md", b" \n\n", "blank.md is empty: there is nothing to read in it."),
        ("scan.pdf", pdf("", ""), "scan.pdf holds pictures of pages and no text: run a text recognition on it first."),
        ("locked.pdf", encrypted("word"), "locked.pdf is encrypted: save it without a password first."),
        ("cut.pdf", b"%PDF-1.4\n garbage", "cut.pdf is damaged or is no PDF: save it anew, or attach its text."),
        ("no.pdf", b"just text", "no.pdf is damaged or is no PDF: save it anew, or attach its text."),
    ],
)
def test_what_cannot_be_attached_is_said_in_one_sentence(put, name, content, sentence):
    with pytest.raises(AttachmentError) as refused:
        read(put(name, content))
    assert str(refused.value) == sentence


def test_a_folder_a_missing_file_and_a_pipe_are_said(tmp_path):
    with pytest.raises(AttachmentError, match="is a folder"):
        read(tmp_path)
    with pytest.raises(AttachmentError, match="is not there"):
        read(tmp_path / "gone.txt")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(AttachmentError, match="is no file"):
            read(tmp_path / "pipe")


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="needs a user whom the system can refuse")
def test_a_file_that_may_not_be_read_is_said(put):
    path = put("secret.txt", b"x")
    path.chmod(0)
    with pytest.raises(AttachmentError, match="cannot be read"):
        read(path)


def test_too_large_is_said_before_it_is_read(put, monkeypatch):
    path = put("huge.txt", b"")
    os.truncate(path, reading.MOST_BYTES + 1)
    with pytest.raises(AttachmentError, match=r"too large \(50 MB\): files of up to 50 MB"):
        read(path)
    monkeypatch.setattr(reading, "MOST_LETTERS", 10)
    with pytest.raises(AttachmentError, match="holds 11 letters"):
        read(put("long.txt", b"x" * 11))
    with pytest.raises(AttachmentError, match="attach a part of it"):
        read(put("long.pdf", pdf("A page of text", "And one more")))


@pytest.mark.parametrize("name", ["a\nb.txt", "\x1b[31m.txt"])
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
def test_a_name_is_on_one_line(put, name):
    assert read(put(name, b"x")).name.isprintable()


def test_the_files_stand_before_the_question():
    files = [Attachment("a.py", "py", "x = 1"), Attachment("b.md", "md", "```\ncode\n```")]
    assert with_files("What is x?", files) == (
        "File: a.py\n```py\nx = 1\n```\n\nFile: b.md\n````md\n```\ncode\n```\n````\n\nWhat is x?"
    )
    assert with_files("", files[:1]) == fenced(files[0])


FILES = some.builds(
    Attachment,
    some.text(some.sampled_from("ab. `"), min_size=1).filter(str.strip),
    some.sampled_from(["py", "text", "c"]),
    some.text(some.sampled_from("a`\n #File:"), min_size=1),
)


@given(some.lists(FILES, max_size=3), some.text(some.sampled_from("a ?\n"), max_size=9).map(str.strip))
def test_a_message_is_taken_apart_again(files, text):
    assert without_files(with_files(text, files)) == (text, [file.name for file in files])


@given(some.text())
def test_any_message_can_be_shown(text):
    shown, names = without_files(text)
    assert text.endswith(shown)
    assert names or shown == text
