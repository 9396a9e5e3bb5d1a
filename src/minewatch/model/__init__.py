"""Model: detectors that turn patches into probabilities of mining, and what is known of them.

`cross_validate` tells how good a detector is far from where it learned, `train_detector` trains one
on all that is labelled. A saved detector is a folder of ``card.json`` and ``model.onnx``, which
onnxruntime runs alone: `load_detector`, `save_detector`; `predict` scores a dataset. The names that
are used less, such as `NullDetector` or `fetch_detector`, are here too.
"""

from typing import TYPE_CHECKING, Any

from minewatch._lazy import import_name

if TYPE_CHECKING:
    from minewatch.model._ablations import run_ablations as run_ablations
    from minewatch.model._amw import convert_keras as convert_keras
    from minewatch.model._applicability import fit_applicability as fit_applicability
    from minewatch.model._applicability import load_applicability as load_applicability
    from minewatch.model._blocks import BlockKFold, RegionHoldout
    from minewatch.model._blocks import ClusterKFold as ClusterKFold
    from minewatch.model._blocks import RandomKFold as RandomKFold
    from minewatch.model._blocks_draw import draw_folds as draw_folds
    from minewatch.model._blocks_nndm import (
        NearestNeighbourDistanceKFold as NearestNeighbourDistanceKFold,
    )
    from minewatch.model._blocks_table import fold_table as fold_table
    from minewatch.model._card import Card as Card
    from minewatch.model._cnn import CnnDetector
    from minewatch.model._compare import compare_splitters as compare_splitters
    from minewatch.model._compare import learning_curve as learning_curve
    from minewatch.model._compare import usual_splitters as usual_splitters
    from minewatch.model._detector import Detector as Detector
    from minewatch.model._detector import read_pixels as read_pixels
    from minewatch.model._embeddings import EmbeddingDetector as EmbeddingDetector
    from minewatch.model._embeddings import read_vectors as read_vectors
    from minewatch.model._ensemble import EnsembleDetector as EnsembleDetector
    from minewatch.model._evaluate import cross_validate
    from minewatch.model._evaluate import score_by as score_by
    from minewatch.model._evaluate import score_by_confuser as score_by_confuser
    from minewatch.model._evaluate import score_on as score_on
    from minewatch.model._evaluate_folds import UnseenContext as UnseenContext
    from minewatch.model._evaluation import EvaluationSettings as EvaluationSettings
    from minewatch.model._evaluation import read_evaluation as read_evaluation
    from minewatch.model._evaluation import write_evaluation as write_evaluation
    from minewatch.model._explain import explain as explain
    from minewatch.model._folds import FoldSettings as FoldSettings
    from minewatch.model._folds import make_splitter as make_splitter
    from minewatch.model._fusion import FusionDetector
    from minewatch.model._kinds import make_detector as make_detector
    from minewatch.model._nulls import NullDetector as NullDetector
    from minewatch.model._onnx import OnnxDetector as OnnxDetector
    from minewatch.model._onnx import RunOptions as RunOptions
    from minewatch.model._onnx import load_detector, save_detector
    from minewatch.model._predict import predict
    from minewatch.model._published import fetch_detector as fetch_detector
    from minewatch.model._report import write_model_report as write_model_report
    from minewatch.model._report_make import ReportSettings as ReportSettings
    from minewatch.model._report_make import report_detector as report_detector
    from minewatch.model._stacked import stack_patches as stack_patches
    from minewatch.model._textures import TextureDetector as TextureDetector
    from minewatch.model._train import TrainSettings as TrainSettings
    from minewatch.model._train import train_detector
    from minewatch.model._trees import TreeDetector

__all__ = [
    "BlockKFold",
    "CnnDetector",
    "FusionDetector",
    "RegionHoldout",
    "TreeDetector",
    "cross_validate",
    "load_detector",
    "predict",
    "save_detector",
    "train_detector",
]

_MODULES = {
    "BlockKFold": "_blocks",
    "Card": "_card",
    "ClusterKFold": "_blocks",
    "CnnDetector": "_cnn",
    "Detector": "_detector",
    "EmbeddingDetector": "_embeddings",
    "EnsembleDetector": "_ensemble",
    "EvaluationSettings": "_evaluation",
    "FoldSettings": "_folds",
    "FusionDetector": "_fusion",
    "NearestNeighbourDistanceKFold": "_blocks_nndm",
    "NullDetector": "_nulls",
    "OnnxDetector": "_onnx",
    "RandomKFold": "_blocks",
    "RegionHoldout": "_blocks",
    "ReportSettings": "_report_make",
    "RunOptions": "_onnx",
    "TextureDetector": "_textures",
    "TrainSettings": "_train",
    "TreeDetector": "_trees",
    "UnseenContext": "_evaluate_folds",
    "compare_splitters": "_compare",
    "convert_keras": "_amw",
    "cross_validate": "_evaluate",
    "draw_folds": "_blocks_draw",
    "explain": "_explain",
    "fetch_detector": "_published",
    "fit_applicability": "_applicability",
    "fold_table": "_blocks_table",
    "learning_curve": "_compare",
    "load_applicability": "_applicability",
    "load_detector": "_onnx",
    "make_detector": "_kinds",
    "make_splitter": "_folds",
    "predict": "_predict",
    "read_evaluation": "_evaluation",
    "read_pixels": "_detector",
    "read_vectors": "_embeddings",
    "report_detector": "_report_make",
    "run_ablations": "_ablations",
    "save_detector": "_onnx",
    "score_by": "_evaluate",
    "score_by_confuser": "_evaluate",
    "score_on": "_evaluate",
    "stack_patches": "_stacked",
    "train_detector": "_train",
    "usual_splitters": "_compare",
    "write_evaluation": "_evaluation",
    "write_model_report": "_report",
}


def __getattr__(name: str) -> Any:
    """Import a name on first use: who looks at a card needs neither onnx nor scikit-learn."""
    return import_name(__name__, _MODULES, name)


def __dir__() -> list[str]:
    """List every name that is here."""
    return sorted(_MODULES)
