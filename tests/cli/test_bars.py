import pytest

from minewatch.cli import _bars


def test_a_short_step_draws_no_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with _bars.bars() as progress:
        progress("reading", 0, 10)
        progress("reading", 10, 10)
    assert "reading" not in capsys.readouterr().err


def test_a_long_step_draws_its_name_and_its_count(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(_bars, "PATIENCE_S", 0.0)
    with _bars.bars() as progress:
        progress("reading", 0, 10)
        progress("reading", 7, 10)
    drawn = capsys.readouterr().err
    assert "reading" in drawn
    assert "7/10" in drawn


def test_a_step_that_tells_more_in_brackets_stays_one_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(_bars, "PATIENCE_S", 0.0)
    with _bars.bars() as progress:
        progress("loading", 0, 10)
        progress("loading (2 failed)", 7, 10)
    drawn = capsys.readouterr().err
    assert "loading (2 failed)" in drawn
    assert "7/10" in drawn
    assert "\x1b[2K\x1b[1A\x1b[2K" not in drawn  # what clears two bars, one above the other
