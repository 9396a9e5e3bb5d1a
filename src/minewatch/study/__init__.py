"""A study: one folder, one study.toml, and every stage done again only where it must be.

The sections of `study.toml` bear the stages' words. Each stage leaves a record of what it took and
gave, so a later run can say why it does a stage again, or why it need not.
"""

from minewatch.study._build import build_dataset
from minewatch.study._demo import make_demo
from minewatch.study._maps import map_path, write_study_maps
from minewatch.study._read import read_build, read_study
from minewatch.study._run import StageResult, run_study
from minewatch.study._settings import StudySettings
from minewatch.study._stages import model_report_path, report_path
from minewatch.study._template import new_study

__all__ = [
    "StageResult",
    "StudySettings",
    "build_dataset",
    "make_demo",
    "map_path",
    "model_report_path",
    "new_study",
    "read_build",
    "read_study",
    "report_path",
    "run_study",
    "write_study_maps",
]
