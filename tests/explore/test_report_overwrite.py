"""A report replaces a report, and nothing of anyone else."""

import pytest

from minewatch.errors import AlreadyThereError
from minewatch.explore import Findings, Section, write_report

FINDINGS = Findings(
    sections=(Section("overview", "Overview", seen="Two patches.", advice="Add some."),),
    header={"n_sites": 2},
)


@pytest.mark.parametrize("added", ["chapter.docx", "figures/mine.png", "tables/mine.csv"])
def test_what_others_put_beside_a_report_is_kept(tmp_path, added):
    out = tmp_path / "explore"
    write_report(FINDINGS, out)
    write_report(FINDINGS, out, overwrite=True)
    (out / added).write_text("work of weeks")
    with pytest.raises(AlreadyThereError, match=added):
        write_report(FINDINGS, out, overwrite=True)
    assert (out / added).read_text() == "work of weeks"


def test_a_folder_that_is_no_report_is_kept(tmp_path):
    (tmp_path / "thesis/figures").mkdir(parents=True)
    (tmp_path / "thesis/figures/map.png").touch()
    with pytest.raises(AlreadyThereError, match=r"figures/map\.png"):
        write_report(FINDINGS, tmp_path / "thesis", overwrite=True)
    assert (tmp_path / "thesis/figures/map.png").exists()
