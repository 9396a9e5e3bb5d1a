"""A small STAC API over the items below a folder, for the test servers: what is asked, answered."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode

import shapely


class StacApi:
    """STAC API, Item Search: enough of it for pystac-client, over the items below a folder."""

    CONFORMS = (
        "https://api.stacspec.org/v1.0.0/core",
        "https://api.stacspec.org/v1.0.0/collections",
        "https://api.stacspec.org/v1.0.0/ogcapi-features",
        "https://api.stacspec.org/v1.0.0/item-search",
        "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
        "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
    )

    def __init__(self, folder: Path, url: str, files_url: str) -> None:
        self.url = url
        found = [hosted_item(path, folder, files_url) for path in sorted(folder.rglob("*.json"))]
        read = [item for item in found if item is not None]
        read.sort(key=lambda item: item["id"])
        read.sort(key=lambda item: item["properties"]["datetime"], reverse=True)
        self.items = {item["id"]: self._linked(item) for item in read}
        self.shapes = {
            name: shapely.geometry.shape(item["geometry"]) for name, item in self.items.items()
        }
        self.collections = {
            content["id"]: self._linked_collection(content)
            for path in sorted(folder.rglob("collection.json"))
            if (content := json.loads(path.read_text())).get("type") == "Collection"
        }

    def answer(self, path: str, query: str, content: bytes | None) -> tuple[int, dict[str, Any]]:
        """Answer a request: status and JSON."""
        parts = [unquote(part) for part in path.split("/") if part]
        match parts:
            case []:
                return 200, self._landing()
            case ["conformance"]:
                return 200, {"conformsTo": list(self.CONFORMS)}
            case ["collections"]:
                links = [self._link("self", "/collections"), self._link("root", "")]
                return 200, {"collections": list(self.collections.values()), "links": links}
            case ["collections", name] if name in self.collections:
                return 200, self.collections[name]
            case ["collections", name, "items", item] if item in self.items:
                return 200, self.items[item]
            case ["collections", name, "items"] if name in self.collections:
                asked = _asked(query) | {"collections": [name]}
                return 200, self._page(asked, f"/collections/{name}/items", post=False)
            case ["search"]:
                asked = _asked(query) if content is None else json.loads(content)
                return 200, self._page(asked, "/search", post=content is not None)
        return 404, {"code": "NotFound", "description": path}

    def _page(self, asked: dict[str, Any], path: str, *, post: bool) -> dict[str, Any]:
        found = [item for item in self.items.values() if self._fits(item, asked)]
        start, limit = int(asked.get("token") or 0), min(int(asked.get("limit") or 10), 1000)
        features = found[start : start + limit]
        links = [self._link("root", ""), self._link("self", path)]
        if start + limit < len(found):
            following = asked | {"token": str(start + limit), "limit": limit}
            link = self._link("next", path)
            if post:
                links.append(link | {"method": "POST", "body": following, "merge": False})
            else:
                words = urlencode({name: _plain(value) for name, value in following.items()})
                links.append(link | {"href": f"{link['href']}?{words}", "method": "GET"})
        return {
            "type": "FeatureCollection",
            "features": features,
            "links": links,
            "numberMatched": len(found),
            "numberReturned": len(features),
        }

    def _fits(self, item: dict[str, Any], asked: Mapping[str, Any]) -> bool:
        if (names := asked.get("collections")) and item["collection"] not in names:
            return False
        if (names := asked.get("ids")) and item["id"] not in names:
            return False
        shape = self.shapes[item["id"]]
        if (box := asked.get("bbox")) and not shape.intersects(shapely.box(*box)):
            return False
        if asked.get("intersects") and not shape.intersects(
            shapely.geometry.shape(asked["intersects"])
        ):
            return False
        if not asked.get("datetime"):
            return True
        first, _, last = asked["datetime"].partition("/")
        moment = datetime.fromisoformat(item["properties"]["datetime"])
        last = last or first
        return (first in ("", "..") or moment >= datetime.fromisoformat(first)) and (
            last in ("", "..") or moment <= datetime.fromisoformat(last)
        )

    def _landing(self) -> dict[str, Any]:
        search = self._link("search", "/search") | {"type": "application/geo+json"}
        children = [self._link("child", f"/collections/{name}") for name in self.collections]
        return {
            "type": "Catalog",
            "id": "toy-archive",
            "stac_version": "1.0.0",
            "title": "The toy archive",
            "description": "A STAC API over the toy archive, for tests.",
            "conformsTo": list(self.CONFORMS),
            "links": [
                self._link("root", ""),
                self._link("self", ""),
                self._link("data", "/collections"),
                self._link("conformance", "/conformance"),
                search | {"method": "GET"},
                search | {"method": "POST"},
                *children,
            ],
        }

    def _link(self, rel: str, path: str) -> dict[str, str]:
        return {"rel": rel, "type": "application/json", "href": f"{self.url}{path}"}

    def _linked(self, item: dict[str, Any]) -> dict[str, Any]:
        own = f"/collections/{item['collection']}"
        links = [
            self._link("self", f"{own}/items/{item['id']}"),
            self._link("parent", own),
            self._link("collection", own),
            self._link("root", ""),
        ]
        return item | {"links": links}

    def _linked_collection(self, content: dict[str, Any]) -> dict[str, Any]:
        own = f"/collections/{content['id']}"
        links = [
            self._link("self", own),
            self._link("parent", ""),
            self._link("root", ""),
            self._link("items", f"{own}/items") | {"type": "application/geo+json"},
        ]
        return content | {"links": links}


def hosted_item(path: Path, folder: Path, files_url: str) -> dict[str, Any] | None:
    """Read an item and let its files lie on the server; None if it is no item."""
    content: dict[str, Any] = json.loads(path.read_text())
    if content.get("type") != "Feature":
        return None
    place = f"{files_url}/{path.parent.relative_to(folder).as_posix()}"
    content["assets"] = {
        key: asset | {"href": f"{place}/{asset['href'].removeprefix('./')}"}
        for key, asset in content["assets"].items()
    }
    return content


def _asked(query: str) -> dict[str, Any]:
    """Read the words of a search from a query string."""
    asked: dict[str, Any] = {name: values[-1] for name, values in parse_qs(query).items()}
    for name in ("collections", "ids"):
        if name in asked:
            asked[name] = asked[name].split(",")
    if "bbox" in asked:
        asked["bbox"] = [float(part) for part in asked["bbox"].split(",")]
    if "intersects" in asked:
        asked["intersects"] = json.loads(asked["intersects"])
    return asked


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(str(part) for part in value)
    return json.dumps(value) if isinstance(value, dict) else str(value)
