"""What the tests of the desk share: places, imagery that is a formula, a desk in this process."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import geopandas as gpd
import httpx
import numpy as np
import pandas as pd
import shapely
import xarray as xr
from odc.geo.geobox import GeoBox

from minewatch.imagery import SceneQuery
from minewatch.maps.review import ArchivePictures, DeskSettings, Item, Queue, ReviewStore, make_app
from minewatch.maps.review._desk import Desk
from minewatch.maps.review._pictures import Album
from minewatch.maps.review._serve import make_server

TOKEN = "a-token-that-is-long-enough"  # noqa: S105 - of the tests alone
HEADERS = {"X-Minewatch-Token": TOKEN}
WEST, SOUTH, STEP = -62.60, 5.40, 0.02
QUERY = SceneQuery(start="2024-01-01", end="2024-12-31")


def item_at(number: int, **facts: Any) -> Item:
    """Make a detection: a square of about 1 km, each 2 km from the next."""
    longitude = WEST + STEP * (number % 10)
    latitude = SOUTH + STEP * (number // 10)
    outline = shapely.box(longitude - 0.005, latitude - 0.005, longitude + 0.005, latitude + 0.005)
    return Item(f"place-{number:02d}", longitude, latitude, facts, outline)


def make_queue(n: int = 5, *, kind: str = "detections") -> Queue:
    """Make a queue of detections with scores."""
    items = [item_at(number, score_max=0.9 - number / 100, area_ha=23.0) for number in range(n)]
    return Queue(kind, "demo", tuple(items), source="demo.parquet", digest="sha256:0")


class Stripes:
    """Imagery whose reflectance is a formula of the ground: columns of 10 m, brighter eastwards."""

    level = "L2A"

    def __init__(self) -> None:
        self.loaded: list[GeoBox] = []

    def load(self, geobox: GeoBox, query: SceneQuery) -> xr.Dataset:
        self.loaded.append(geobox)
        height, width = geobox.shape.yx
        ramp = np.linspace(0.01, 0.3, width, dtype=np.float32)
        values = np.broadcast_to(ramp, (len(query.bands), height, width)).astype(np.float32)
        scenes = [
            {"id": "S2", "date": f"{query.start}T14:00:00Z", "baseline": "05.10", "offset_dn": 0}
        ]
        return xr.Dataset(
            {
                "reflectance": (("band", "y", "x"), values),
                "clear_count": (("y", "x"), np.ones((height, width), dtype=np.uint16)),
            },
            coords={"band": list(query.bands)},
            attrs={"level": "L2A", "source": "stripes", "scenes": scenes},
        )


def make_desk(path: Path, queue: Queue | None = None, **more: Any) -> Desk:
    """Open a store and put a desk on it."""
    store = ReviewStore(path)
    store.take_up(queue or make_queue())
    pictures = ArchivePictures(Stripes(), {"2024": QUERY}, side_px=96)
    return Desk.of(store, Album([pictures]), **more)


@contextmanager
def serving(desk: Desk, **settings: Any) -> Iterator[httpx.Client]:
    """Serve a desk from a thread, on a free port; give what asks it as the page does."""
    app = make_app(desk, settings=DeskSettings(**settings), token=TOKEN)
    server = make_server(app)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = "http://{}:{}".format(*listening.getsockname())
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            with httpx.Client(base_url=url, headers=HEADERS, timeout=30) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()


def decision(number: int, verdict: str = "mine", **more: Any) -> dict[str, Any]:
    """Give a decision as the page sends it."""
    uid = more.pop("uid", f"{verdict.replace('_', '-')}-{number:08d}")
    return {"uid": uid, "number": number, "verdict": verdict, "reviewer": "Ana", **more}


def table(rows: list[tuple[str, str, str]]) -> pd.DataFrame:
    """Give decisions (item, reviewer, verdict), one after the other."""
    return pd.DataFrame(
        {
            "item_id": [row[0] for row in rows],
            "reviewer": [row[1] for row in rows],
            "verdict": [row[2] for row in rows],
            "reason": pd.array([None] * len(rows), dtype="str"),
            "note": "",
            "decided_at": [f"2026-01-01T00:00:{at:02d}.000Z" for at in range(len(rows))],
            "undone_at": pd.array([None] * len(rows), dtype="str"),
            "told_after": pd.array([None] * len(rows), dtype="Int64"),
        }
    )


def write_detections(path: Path, n: int) -> Path:
    """Write detections as anyone's file of polygons."""
    items = make_queue(n).items
    gpd.GeoDataFrame(
        {"score_max": [item.facts["score_max"] for item in items]},
        geometry=[item.outline for item in items],
        index=pd.Index([item.item_id for item in items], name="detection_id"),
        crs="EPSG:4326",
    ).reset_index().to_file(path)
    return path


class Forge:
    """Runs commands in processes of their own, begun within milliseconds: see `desk_forge`."""

    def __init__(self) -> None:
        folder = Path(__file__).parent
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(folder / "desk_forge.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "MINEWATCH_REVIEW_TOKEN": TOKEN},
        )

    def ask(self, line: str) -> Any:
        """Write a line, and give what is answered."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        """End it."""
        self.process.communicate(timeout=30)


class Server:
    """A desk in a process of its own, as the command line starts it; one at a time."""

    def __init__(self, forge: Forge, *arguments: str) -> None:
        self.forge = forge
        made = forge.ask(json.dumps(["maps", "review", *arguments, "--json"]))
        self.pid, self.told = made["pid"], made["told"]
        self.is_running = True
        self.url = self.told["address"].partition("/#")[0]

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    def client(self) -> httpx.Client:
        """Give what asks it."""
        return httpx.Client(base_url=self.url, headers=HEADERS)

    def strike(self) -> None:
        """Kill it as no program can catch (SIGKILL), and do not wait."""
        os.kill(self.pid, signal.SIGKILL)

    def kill(self) -> None:
        """Kill it, if it still runs."""
        if self.is_running:
            self.strike()
            self.close()

    def stop(self) -> int:
        """Stop it as Ctrl+C does; give its exit code."""
        os.kill(self.pid, signal.SIGINT)
        return self.close()

    def close(self) -> int:
        """Wait for its end; give its exit code."""
        self.is_running = False
        return self.forge.ask("")
