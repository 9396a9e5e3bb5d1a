"""Review the demo as people would: two reviewers of its detections, one of a sample for an area.

Nobody sits there: each reviewer knows the true mines of the made-up valley, slips at a known rate,
and answers over HTTP as the page does. Ben slips more often than Ana; when both are done he looks
at the conflicts and takes her word in half of them. What the commands print then is what
docs/review.md shows.

    minewatch demo demo
    python benchmarks/review_demo.py demo            # about two minutes
"""

import argparse
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import shapely

from review_loop import IS_MINING, ask, desk, mines_of, patch_of, shares

SEED = 1
"""Of the demo's valley."""
SLIPS = {"Ana": 0.05, "Ben": 0.2}
UNSURE = 0.05
WORDS = {True: "mine", False: "not_mine"}


def command(*words: str) -> None:
    """Run minewatch, and show what was typed."""
    sys.stdout.write(f"\n$ minewatch {' '.join(words)}\n")
    sys.stdout.flush()
    code = "from minewatch.cli import main; main()"
    subprocess.run([sys.executable, "-c", code, *words], check=True)


def answer(url: str, who: str, slips: float, ground: shapely.Geometry) -> None:
    """Go through the queue as a reviewer who knows the truth, and slips."""
    lot = random.Random(who)  # noqa: S311 - a seed
    for item in ask(f"{url}/api/items?reviewer={who}"):
        square = patch_of(item["longitude"], item["latitude"])
        share = float(shares(np.array([square], dtype=object), ground)[0])
        is_mine = (share >= IS_MINING) ^ (lot.random() < slips)
        verdict = "unsure" if lot.random() < UNSURE else WORDS[is_mine]
        decide(url, who, item["number"], verdict, "first")


def decide(url: str, who: str, number: int, verdict: str, which: str) -> None:
    """Say one thing of a place."""
    scene = ask(f"{url}/api/items/{number}/scenes/0")
    name = "true_colour"
    picture = {"period": scene["period"], "combination": name, "digest": scene["pictures"][name]}
    said = {"uid": f"{who}-{which}-{number:06d}", "number": number, "verdict": verdict}
    ask(f"{url}/api/decisions", {**said, "reviewer": who, "shown": {"pictures": [picture]}})


def yield_in_half(url: str, who: str) -> int:
    """Look at the conflicts, and take the other's word in every second one; say in how many."""
    items = ask(f"{url}/api/items?reviewer={who}&compare=true")
    conflicts = [one for one in items if one["is_conflict"]]
    for item in conflicts[::2]:
        other = "not_mine" if item["verdict"] == "mine" else "mine"
        decide(url, who, item["number"], other, "again")
    return len(conflicts[::2])


def main() -> None:
    """Review the detections, then a sample."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("study", type=Path)
    study = parser.parse_args().study
    ground = mines_of(SEED)
    work = study / "review-demo"
    if work.exists():
        raise SystemExit(f"{work} is there already; take it away first")
    work.mkdir()
    found = study / "scans" / "2024" / "detections.parquet"
    store = work / "detections.gpkg"
    with desk(study, found, store) as url:
        for who, slips in SLIPS.items():
            answer(url, who, slips, ground)
        changed = yield_in_half(url, "Ben")
    sys.stdout.write(f"Ben saw the conflicts and changed {changed} verdicts\n")
    joined = ["--into", str(study / "places.geojson"), "--export", str(work / "second.geojson")]
    command("maps", "review", str(found), "--store", str(store), *joined)

    sample = work / "sample.geojson"
    drawn = ["--standard-error-ha", "60", "--at-least", "8", "--sample", str(sample)]
    command("scan", "area", str(found), "--scores", str(found.parent), *drawn)
    store = work / "sample.gpkg"
    with desk(study, sample, store) as url:
        answer(url, "Eva", 0.0, ground)
    reviewed = work / "reviewed.geojson"
    command("maps", "review", str(sample), "--store", str(store), "--export", str(reviewed))
    command("scan", "area", "--reviewed", str(reviewed))


if __name__ == "__main__":
    main()
