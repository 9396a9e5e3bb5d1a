from minewatch.cli._lines import lines


def test_a_long_step_says_how_far_it_is_and_how_much_is_left() -> None:
    said: list[str] = []
    progress = lines(said.append, every_s=0.0)
    progress("load patches (2 failed)", 150, 300)
    progress("load patches (2 failed)", 300, 300)
    assert said == [
        "load patches (2 failed): 150 of 300, less than a minute left",
        "load patches (2 failed): 300 of 300",
    ]


def test_a_short_step_says_nothing() -> None:
    said: list[str] = []
    progress = lines(said.append, every_s=3600.0)
    for done in range(100):
        progress("read", done, 100)
    assert said == []
