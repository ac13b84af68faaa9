"""Where the system has no OpenMP runtime, scikit-learn's is found by Paddle."""

from __future__ import annotations

from pathlib import Path

from book.tools.libgomp import lend


def test_the_copy_gets_the_name_that_paddle_asks_for(tmp_path: Path):
    (tmp_path / "scikit_learn.libs").mkdir()
    (tmp_path / "scikit_learn.libs" / "libgomp-0123abcd.so.1.0.0").write_bytes(b"\x7fELF")
    (tmp_path / "paddle" / "libs").mkdir(parents=True)
    (tmp_path / "paddle" / "libs" / "libdnnl.so.3").touch()
    assert lend(tmp_path)
    assert (tmp_path / "paddle" / "libs" / "libgomp.so.1").read_bytes() == b"\x7fELF"
    assert "libdnnl.so.3" in (tmp_path / "paddle_libgomp.pth").read_text()
    assert lend(tmp_path), "a second time is as good as the first"


def test_nothing_is_touched_where_there_is_nothing_to_lend(tmp_path: Path):
    assert not lend(tmp_path)
    assert list(tmp_path.iterdir()) == []
