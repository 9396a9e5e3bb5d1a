"""What a scan is asked, checked before any work is done."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from minewatch import _store
from minewatch.errors import LevelError
from minewatch.imagery import ImagerySource, SceneQuery
from minewatch.patches._build_request import describe_source
from minewatch.scan._context import plan_context
from minewatch.scan._finish import make_request
from minewatch.scan._plan import Plan, make_plan
from minewatch.scan._region import open_region
from minewatch.scan._settings import ScanSettings
from minewatch.scan._work import Job, Opener, single_threaded

if TYPE_CHECKING:
    from minewatch.context import Features
    from minewatch.model._applicability import Applicability
    from minewatch.model._onnx import OnnxDetector
    from minewatch.sites._regions import Region


@dataclass(frozen=True, eq=False)
class PreparedScan:
    """A scan that was checked: what is to do, and what does it."""

    plan: Plan
    job: Job
    request: dict[str, Any]


def prepare_scan(
    region: "Region",
    detector: "OnnxDetector",
    source: ImagerySource | Opener,
    query: SceneQuery,
    settings: ScanSettings,
    *,
    context: "Features | None",
    applicability: "Applicability | None",
) -> PreparedScan:
    """Check what was asked, before any work is done."""
    card = detector.card
    plan = make_plan(open_region(region), card, settings)
    asked = query.model_copy(update={"bands": card.bands})
    job = Job(
        source=source,
        detector=single_threaded(detector),
        query=asked,
        min_clear_views=settings.min_clear_views,
        max_missing_share=settings.max_missing_share,
        applicability=applicability if settings.applicability else None,
        context=plan_context(context, card, settings.radii_m),
    )
    if job.opened.level != card.level:
        raise LevelError(
            f"detector {card.name} takes {card.level} and the imagery is {job.opened.level}: its "
            f"scores would mean nothing; choose a source of level {card.level}"
        )
    request = make_request(
        plan,
        card,
        asked,
        source=describe_source(job.opened),
        card_digest=_store.digest_value(card.model_dump(mode="json")),
        seen={
            "min_clear_views": settings.min_clear_views,
            "max_missing_share": settings.max_missing_share,
        },
        more={
            "applicability": _describe_area(job.applicability),
            "context": None if job.context is None else job.context.describe(),
        },
    )
    return PreparedScan(plan, job, request)


def _describe_area(area: "Applicability | None") -> dict[str, float | str] | None:
    if area is None:
        return None
    return {"threshold": area.threshold, "digest": _store.digest_bytes(area.training.tobytes())}
