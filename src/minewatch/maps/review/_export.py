"""What comes of a review: sites to train on, or the reviewed sample that an area comes from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import pandas as pd

from minewatch import __version__, _store
from minewatch.errors import InputError
from minewatch.grid import PatchGrid
from minewatch.maps.review._agreement import agree_on, find_conflicts, measure_agreement
from minewatch.maps.review._sites import KEPT, new_sites
from minewatch.maps.review._stores import Reviewed, read_stores
from minewatch.scan._area_run import strata_file
from minewatch.scan._merge_file import refuse_inputs
from minewatch.sites import read_sites, write_sites
from minewatch.sites._validate import find_faults
from minewatch.types import StrPath

_FORMAT: Final = "review export 1"
_IS_SAMPLE: Final = (
    "is a sample of scan area: what measures an area is not to be trained on; join reviewed sites "
    "to sites that you train on"
)


@dataclass(frozen=True)
class Exported:
    """What a review came to."""

    sites: gpd.GeoDataFrame
    """The table that was written: sites, or the reviewed sample."""
    agreed: pd.DataFrame
    """What every place is taken for, as `agree_on` gives it."""
    agreement: pd.DataFrame
    """As `measure_agreement` gives it."""
    conflicts: pd.DataFrame
    """As `find_conflicts` gives it."""
    left_out: pd.DataFrame
    """Reviewed sites that contradict another: index ``site_id``, ``detail`` (str), ``was_there``
    (bool). They were not written, though they were there before: the patch of one holds the other,
    and they cannot both be right."""
    brought: pd.DataFrame
    """What each store brought: index ``store``, ``decisions`` (int64), ``reviewers`` (str)."""
    n_skipped: int = 0
    """Places of which nobody said more than skip."""
    n_unseen: int = 0
    """Places of which every verdict was given without a picture."""
    n_new: int = 0
    """Sites of the table that were not there before."""
    files: tuple[Path, ...] = field(default=())
    """What was written."""

    def counts(self) -> dict[str, int]:
        """Count what was said (of places), and what came of it (of the table that was written)."""
        said, label = self.agreed["label"], self.sites["label"]
        changed = self.sites.get("label_before", pd.Series(dtype="Int8"))
        return {
            "reviewed": len(self.agreed),
            "called_mining": int((said == 1).sum()),
            "called_none": int((said == 0).sum()),
            "undecided": int(said.isna().sum()),
            "skipped": self.n_skipped,
            "unseen": self.n_unseen,
            "sites": len(self.sites),
            "new": self.n_new,
            "corrected": int(changed.notna().sum()),
            "mining": int((label == 1).sum()),
            "no_mining": int((label == 0).sum()),
            "without_label": int(label.isna().sum()),
            "drawn": int(self.sites.index.str.startswith("drawn-").sum()),
            "conflicts": int((self.agreed["is_conflict"] & self.agreed["label"].isna()).sum()),
            "left_out": len(self.left_out),
        }


def export_review(
    stores: Sequence[StrPath],
    out: StrPath,
    *,
    sample: StrPath | None = None,
    into: StrPath | None = None,
    trust: Sequence[str] = (),
    overwrite: bool = False,
) -> Exported:
    """Write what reviewers say: sites for the next training round, or a reviewed sample.

    Sites are the places that reviewers agree on (`agree_on`): mines and places without, with the
    reason as a column. A mine that was drawn is a site of its own; inside the outline, or the
    square, of a place that is called a mine it stands for that place, for it says better where the
    mine is. Of mines drawn closer together than half a square one is kept.

    Of a sample its own table is written, ``label`` filled in, and its strata beside it, as
    ``scan area --reviewed`` reads them. Windows that nobody could tell, or that reviewers do not
    agree on, stay without a label. Drawn mines are not in it: the sample is what was drawn by lot.

    Parameters
    ----------
    stores
        Files of `ReviewStore`, of the same places: one, or one of each reviewer.
    out
        A name of a table of sites (``.geojson``, ``.gpkg``, ``.parquet``, ``.csv``). Beside it
        ``<name>.review.json`` says how it was made.
    sample
        The sample that was reviewed, as ``scan area`` wrote it; needed of samples.
    into
        Sites to join the new ones to: see `update_sites`. Of these, one that reviewers could not
        tell, or do not agree on, keeps its label, and gets ``is_doubtful``. None: the new ones
        alone.
    trust
        Reviewers whose vote decides where others do not agree.
    overwrite
        Replace the files.

    Returns
    -------
    Exported
        The table, who agrees, and what was left out.

    Raises
    ------
    NotThereError, InputError, AlreadyThereError
        If a store is not there, of other places or of several kinds, nothing was decided, sites
        would be joined to a sample, or a file is there or is what is read.
    """
    reviewed = read_stores(stores)
    if reviewed.decisions["undone_at"].isna().sum() == 0:
        raise InputError(f"nothing is decided in {', '.join(map(str, stores))}; review some first")
    beside = Path(out).with_suffix(".review.json")
    is_sample = reviewed.kind == "sample"
    strata = [strata_file(out)] if is_sample else []
    inputs = [*stores, *([sample] if sample and is_sample else []), *([into] if into else [])]
    refuse_inputs((out, beside, *strata), inputs)
    for file in (Path(out), beside, *strata):
        _store.refuse_existing(file, overwrite=overwrite)
    agreed = agree_on(reviewed.decisions, trust=trust)
    sites, left_out, n_new = _table(reviewed, agreed, sample, into)
    exported = Exported(
        sites,
        agreed,
        measure_agreement(reviewed.decisions),
        find_conflicts(reviewed.decisions),
        left_out,
        reviewed.brought,
        reviewed.n_skipped,
        reviewed.n_unseen,
        n_new,
        (Path(out), *strata, beside),
    )
    write_sites(sites, out, overwrite=overwrite)
    if strata and sample is not None:
        _store.write_text(strata[0], strata_file(sample).read_text(encoding="utf-8"))
    _store.write_json(beside, _made(exported, inputs, trust))
    return exported


def _table(
    reviewed: Reviewed, agreed: pd.DataFrame, sample: StrPath | None, into: StrPath | None
) -> tuple[gpd.GeoDataFrame, pd.DataFrame, int]:
    """Give the table to write, what was left out of it, and how many sites are new in it."""
    if reviewed.kind == "sample":
        named = _named_sample(sample, into)
        columns = {"detail": pd.array([], "str"), "was_there": pd.array([], "bool")}
        nothing = pd.DataFrame(columns, index=pd.Index([], name="site_id"))
        return _fill_sample(read_sites(named), agreed, named), nothing, 0
    _refuse_samples(sample, into)
    new = new_sites(reviewed, agreed)
    if into is None:
        sites, left_out = _without_contradictions(new, new.index)
        return sites, left_out, len(sites)
    before = read_sites(into)
    joined = _mark_doubtful(update_sites(before, new), agreed)
    sites, left_out = _without_contradictions(joined, new.index)
    left_out["was_there"] = left_out.index.isin(before.index)
    return sites, left_out, int((~sites.index.isin(before.index)).sum())


def _mark_doubtful(sites: gpd.GeoDataFrame, agreed: pd.DataFrame) -> gpd.GeoDataFrame:
    """Mark sites whose label stays, though reviewers could not confirm it."""
    open_ = agreed.index[agreed["label"].isna()].intersection(sites.index)
    if open_.empty:
        return sites
    marked = sites.assign(is_doubtful=sites.index.isin(open_))
    for name in ("note", "reviewers", "reviewed_at"):
        own = marked[name].astype("object") if name in marked else pd.Series(index=marked.index)
        own.loc[open_] = agreed.loc[open_, name]
        marked[name] = own.astype("object").astype("str").where(own.notna())
    return marked


def update_sites(existing: gpd.GeoDataFrame, reviewed: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Put reviewed labels into a table of sites.

    A site of the same name gets the new label, and keeps its place and its other columns; what is
    new comes after. Nothing is taken away.

    Parameters
    ----------
    existing, reviewed
        Tables of sites, EPSG:4326, index ``site_id``.

    Returns
    -------
    GeoDataFrame
        A table of sites with the columns of both; ``label_before`` (Int8) holds what a label was,
        where it changed.

    Raises
    ------
    InputError
        If one of them is a sample (it has ``stratum``).

    Examples
    --------
    >>> def table(**labels):
    ...     return gpd.GeoDataFrame(
    ...         {"label": pd.array(list(labels.values()), dtype="Int8"), "source": "demo"},
    ...         index=pd.Index(list(labels), name="site_id"),
    ...         geometry=gpd.points_from_xy([-62.6 - ord(name) / 10 for name in labels],
    ...                                     [5.4] * len(labels)),
    ...         crs="EPSG:4326",
    ...     )
    >>> update_sites(table(a=1, b=1), table(b=0, c=1))[["label", "label_before"]].to_dict("index")
    {'a': {'label': 1, 'label_before': None}, 'b': {'label': 0, 'label_before': 1},
     'c': {'label': 1, 'label_before': None}}
    """
    if "stratum" in existing.columns or "stratum" in reviewed.columns:
        raise InputError(f"a table with the column stratum {_IS_SAMPLE}")
    both = reviewed.index.intersection(existing.index)
    updated = existing.copy()
    before = pd.Series(pd.NA, index=updated.index, dtype="Int8")
    changed = both[(updated.loc[both, "label"] != reviewed.loc[both, "label"]).fillna(value=True)]
    before.loc[changed] = updated.loc[changed, "label"]
    updated["label"] = updated["label"].astype("Int8")
    updated.loc[both, "label"] = reviewed.loc[both, "label"]
    updated["label_before"] = before
    for name in KEPT:
        if name in reviewed.columns:
            own = updated[name] if name in updated.columns else pd.Series(index=updated.index)
            updated[name] = own.astype("object").astype("str").where(own.notna())
            updated.loc[both, name] = reviewed.loc[both, name]
    new = reviewed[~reviewed.index.isin(existing.index)]
    if new.empty:
        return updated
    joined = pd.concat([updated, new.assign(label_before=pd.array([None] * len(new), "Int8"))])
    joined.index.name = "site_id"
    return gpd.GeoDataFrame(joined, geometry=existing.geometry.name, crs=existing.crs)


def _named_sample(sample: StrPath | None, into: StrPath | None) -> StrPath:
    if into is not None:
        raise InputError(
            f"a sample was reviewed: it cannot be joined to {into} (into, --into), or what is "
            "estimated from it is no longer of a random sample"
        )
    if sample is None:
        raise InputError("a sample was reviewed: name its file, as scan area wrote it, as well")
    return sample


def _refuse_samples(sample: StrPath | None, into: StrPath | None) -> None:
    """Keep samples out of sites: who trains on windows cannot measure with them."""
    if sample is not None:
        raise InputError(
            f"{sample} is named as the sample, but no sample was reviewed here; name its store"
        )
    if into is not None and strata_file(into).is_file():
        raise InputError(f"{into} {_IS_SAMPLE}")


def _fill_sample(
    table: gpd.GeoDataFrame, agreed: pd.DataFrame, sample: StrPath
) -> gpd.GeoDataFrame:
    if "stratum" not in table.columns or not strata_file(sample).is_file():
        raise InputError(
            f"{sample} is no sample of scan area: it has no strata; name the file that was reviewed"
        )
    foreign = agreed.index.difference(table.index)
    if len(foreign):
        raise InputError(
            f"{len(foreign)} reviewed windows are not in {sample}, such as {foreign[0]}; name the "
            "sample that was reviewed"
        )
    own = agreed.reindex(table.index)
    filled = table.assign(label=own["label"].astype("Int8"))
    return filled.assign(**{name: own[name] for name in KEPT})


def _without_contradictions(
    sites: gpd.GeoDataFrame, new: pd.Index
) -> tuple[gpd.GeoDataFrame, pd.DataFrame]:
    """Leave out reviewed sites without mining whose patch holds a mine, and those at one point.

    A site whose own label is doubtful drives out none.
    """
    sure = sites[~sites["is_doubtful"]] if "is_doubtful" in sites.columns else sites
    faults = find_faults(sure, grid=PatchGrid())
    own = faults[faults["fault"].isin(["conflicting labels", "duplicate point"])]
    own = own[own["site_id"].isin(new)]
    is_mine = sites["label"].reindex(own["site_id"]).eq(1).fillna(value=False).to_numpy()
    own = own[~is_mine | (own["fault"] == "duplicate point").to_numpy()]
    left = own.drop_duplicates("site_id").set_index("site_id")[["detail"]]
    left["was_there"] = False
    return sites[~sites.index.isin(left.index)], left


def _made(exported: Exported, inputs: Sequence[StrPath], trust: Sequence[str]) -> dict[str, Any]:
    agreement = exported.agreement.astype("object")
    return {
        "format": _FORMAT,
        "minewatch": __version__,
        "inputs": _store.digest_files(inputs),
        "settings": {"trust": list(trust)},
        "counts": exported.counts(),
        "brought": exported.brought.reset_index().to_dict("records"),
        "agreement": agreement.where(agreement.notna(), None).to_dict("records"),
        "conflicts": exported.conflicts.reset_index().to_dict("records"),
        "left_out": exported.left_out["detail"].to_dict(),
    }
