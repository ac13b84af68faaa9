"""What builds the book: notebooks executed from book/src, assets that need no network, the strict HTML build."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
BOOK = REPOSITORY / "book"
SOURCES = BOOK / "src"
