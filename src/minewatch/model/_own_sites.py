"""Whether a saved detector is about to be asked of places that it learned from."""

from minewatch.errors import MinewatchWarning
from minewatch.model._onnx import OnnxDetector
from minewatch.patches import PatchDataset


class LeakingEvaluationWarning(MinewatchWarning):
    """A saved detector is evaluated on sites that it learned from: its figures mean nothing."""


def own_sites(detector: OnnxDetector, dataset: PatchDataset) -> tuple[str, ...]:
    """Give the sites of a dataset that a saved detector learned from, as far as can be told.

    The labelled ones if the dataset is the one that its card names, by its pixels or by its sites;
    else those that bear the ids of its training sites. A dataset that was cut or built anew is so
    found out too; another valley whose ids happen to be the same is suspected without cause.

    Parameters
    ----------
    detector
        A saved detector. Of one without an area of applicability the training ids are not known.
    dataset
        The patches.
    """
    training, header = detector.card.training, dataset.header
    is_same = (
        training.dataset_digest is not None and training.dataset_digest == header.digest
    ) or (training.sites_digest is not None and training.sites_digest == header.sites_digest)
    if is_same:
        chosen = dataset.sites["label"].notna()
    else:
        chosen = dataset.sites.index.isin(() if detector.area is None else detector.area.site_ids)
    return tuple(str(site) for site in dataset.sites.index[chosen])


def describe_own_sites(detector: OnnxDetector, dataset: PatchDataset) -> str:
    """Say in a sentence that a saved detector learned from sites of a dataset; empty if it did not.

    See Also
    --------
    own_sites
    """
    found = own_sites(detector, dataset)
    if not len(found):
        return ""
    return (
        f"{len(found)} of {len(dataset)} patches are of sites that the saved detector "
        f"{detector.card.name} learned from, or bear their ids ({found[0]}, …): what it says of "
        "them is how it remembers them, not how it sees places that it does not know"
    )
