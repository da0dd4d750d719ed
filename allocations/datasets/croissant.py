"""A dataset as Croissant 1.1 JSON-LD: schema.org/Dataset with its files and columns. The page's machine face."""

from __future__ import annotations

import posixpath
from typing import Any

from .access import page_url
from .models import Dataset, DatasetFile, Version

CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
TYPES = (
    ("int", "sc:Integer"),
    ("float", "sc:Float"),
    ("date", "sc:DateTime"),
    ("timestamp", "sc:DateTime"),
    ("bool", "sc:Boolean"),
)


def croissant(*, dataset: Dataset, version: Version, files: list[DatasetFile]) -> dict[str, Any]:
    """The document of one version. Files are named by their lasting address; reading one follows the dataset's access."""
    base = page_url(dataset.slug)
    body: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "@id": base,
        "name": dataset.slug,
        "alternateName": dataset.title,
        "description": dataset.description or dataset.summary,
        "url": base,
        "version": _semantic(version.name),
        "datePublished": version.published_at.date().isoformat() if version.published_at else None,
        "license": licence_url(dataset),
        "keywords": [dataset.domain, *dataset.keywords],
        "citeAs": dataset.citation or f"{dataset.publisher}: {dataset.title}. Version {version.name}. {base}",
        "creator": {"@type": "sc:Organization", "name": dataset.publisher},
        "isAccessibleForFree": True,
        "conditionsOfAccess": dataset.access_class,
        "sdLicense": "https://spdx.org/licenses/CC0-1.0",
        "isBasedOn": dataset.source_url or None,
        "distribution": [_file(file, base) for file in files],
        "recordSet": _record_sets(files),
    }
    return {key: value for key, value in body.items() if value not in (None, "", [])}


def _file(file: DatasetFile, base: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file.path,
        "name": file.path,
        "description": file.description or file.path,
        "contentUrl": f"{base}files/{file.path}",
        "contentSize": f"{file.size_bytes} B",
        "encodingFormat": file.media_type,
        "sha256": file.sha256,
    }


def _record_sets(files: list[DatasetFile]) -> list[dict[str, Any]]:
    """One record set for each table; a table in several parts of one folder is described once, by its first part."""
    seen: set[str] = set()
    sets = []
    for file in files:
        folder = posixpath.dirname(file.path)
        stem = folder or posixpath.splitext(file.path)[0]
        if not file.columns or stem in seen:
            continue
        seen.add(stem)
        name = stem.replace("/", "-")
        sets.append(
            {
                "@type": "cr:RecordSet",
                "@id": f"table-{name}",
                "name": f"table-{name}",
                "description": file.description or file.path,
                "field": [_field(column, f"table-{name}", file) for column in file.columns],
            }
        )
    return sets


def _field(column: dict[str, Any], table: str, file: DatasetFile) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{table}/{column['name']}",
        "name": f"{table}/{column['name']}",
        "description": column.get("description") or column["name"],
        "dataType": next((kind for start, kind in TYPES if start in column["type"]), "sc:Text"),
        "source": {"fileObject": {"@id": file.path}, "extract": {"column": column["name"]}},
    }


def _semantic(name: str) -> str:
    """Croissant wants MAJOR.MINOR.PATCH."""
    parts = name.split(".")
    return ".".join([*parts, "0", "0"][:3]) if all(part.isdigit() for part in parts) else name


def licence_url(dataset: Dataset) -> str:
    """The licence as an address."""
    if dataset.licence_url:
        return dataset.licence_url
    return (
        page_url(dataset.slug) if dataset.licence.startswith("LicenseRef-") else f"https://spdx.org/licenses/{dataset.licence}"
    )
