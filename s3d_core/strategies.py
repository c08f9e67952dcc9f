"""Every strategy that can run on a model."""

from s3d_core.adapter import Adapter
from s3d_core.auto import Auto
from s3d_core.draft import Plain, SkipDraft, Strategy
from s3d_core.lookup import Lookup
from s3d_core.recall import Recall
from s3d_core.s3d import S3D
from s3d_core.target import Target


def strategies(target: Target, adapter: Adapter | None) -> dict[str, Strategy]:
    """By their names in `DraftSettings`; they share what is recalled of the text."""
    recall = Recall()
    weights = None if adapter is None else adapter.calibration.float().cpu().numpy()
    lookup = Lookup(recall, weights)
    s3d = None if adapter is None else S3D(target, adapter, recall)
    known: dict[str, Strategy] = {
        "plain": Plain(),
        "lookup": lookup,
        "skip": SkipDraft(target),
        "auto": Auto(target, lookup, s3d, None if adapter is None else adapter.card),
    }
    if s3d is not None:
        known["s3d"] = s3d
    return known
