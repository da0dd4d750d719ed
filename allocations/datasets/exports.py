"""The catalogue for others' catalogues: DCAT-AP as JSON-LD, and a sitemap for search engines."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

from django.conf import settings
from django.db.models import QuerySet

from .access import page_url
from .croissant import licence_url
from .models import Dataset, DatasetFile
from .states import AccessClass

SITEMAP_MAX, CATALOGUE_PAGE = 10_000, 500  # the standard takes 50,000 addresses; fewer are answered sooner
RIGHTS = "http://publications.europa.eu/resource/authority/access-right/"
CONTEXT = {
    "dcat": "http://www.w3.org/ns/dcat#",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "spdx": "http://spdx.org/rdf/terms#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "adms": "http://www.w3.org/ns/adms#",
}


def dcat_dataset(dataset: Dataset, files: list[DatasetFile] | None = None) -> dict[str, Any]:
    """One dataset; with files, each is a distribution."""
    base = page_url(dataset.slug)
    public = dataset.access_class == AccessClass.OPEN
    node: dict[str, Any] = {
        "@id": base,
        "@type": "dcat:Dataset",
        "dct:identifier": dataset.slug,
        "dct:title": {"@value": dataset.title, "@language": "en"},
        "dct:description": {"@value": dataset.description or dataset.summary, "@language": "en"},
        "dct:publisher": {"@type": "foaf:Agent", "foaf:name": dataset.publisher},
        "dct:accessRights": {"@id": RIGHTS + ("PUBLIC" if public else "RESTRICTED")},
        "dct:license": {"@id": licence_url(dataset)},
        "dcat:keyword": [dataset.domain, *dataset.keywords],
        "dcat:landingPage": {"@id": base},
        "dct:issued": {"@value": dataset.published_at.isoformat(), "@type": "xsd:dateTime"} if dataset.published_at else None,
        "dcat:distribution": [_distribution(dataset, file, base) for file in files] if files is not None else None,
    }
    return {key: value for key, value in node.items() if value is not None}


def catalogue(rows: QuerySet[Dataset], *, page: int) -> dict[str, Any]:
    """A page of the catalogue (`CATALOGUE_PAGE` datasets) as one JSON-LD document; `hydra:next` is left to the Link header."""
    shown = rows.order_by("pk")[(page - 1) * CATALOGUE_PAGE : page * CATALOGUE_PAGE]
    return {
        "@context": CONTEXT,
        "@id": f"{settings.PORTAL_URL}/datasets/catalogue.jsonld",
        "@type": "dcat:Catalog",
        "dct:title": {"@value": "Compute Commons", "@language": "en"},
        "dct:description": {"@value": "Datasets read in hosted notebooks by one line.", "@language": "en"},
        "dct:publisher": {"@type": "foaf:Agent", "foaf:name": "Compute Commons"},
        "dcat:dataset": [dcat_dataset(dataset) for dataset in shown],
    }


def sitemap(rows: QuerySet[Dataset], *, page: int = 0) -> str:
    """
    Addresses of all datasets, the first to be published first. More than fit into one are an index of pages.

    :param page: from 1; 0 is whatever a search engine begins with
    """
    count = rows.count() if page == 0 else 0
    if count > SITEMAP_MAX:
        pages = [f"{settings.PORTAL_URL}/sitemap.xml?page={number}" for number in range(1, -(-count // SITEMAP_MAX) + 1)]
        return _xml("sitemapindex", [f"<sitemap><loc>{escape(url)}</loc></sitemap>" for url in pages])
    first = SITEMAP_MAX * max(0, page - 1)
    shown = rows.order_by("published_at", "pk").values_list("slug", "published_at")[first : first + SITEMAP_MAX]
    lines = [f"<url><loc>{escape(page_url(slug))}</loc><lastmod>{day:%Y-%m-%d}</lastmod></url>" for slug, day in shown]
    return _xml("urlset", lines)


def _xml(root: str, lines: list[str]) -> str:
    head = ['<?xml version="1.0" encoding="UTF-8"?>', f'<{root} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">']
    return "\n".join([*head, *lines, f"</{root}>\n"])


def _distribution(dataset: Dataset, file: DatasetFile, base: str) -> dict[str, Any]:
    return {
        "@id": f"{base}files/{file.path}",
        "@type": "dcat:Distribution",
        "dct:title": {"@value": file.path, "@language": "en"},
        "dcat:accessURL": {"@id": f"{base}files/{file.path}"},
        "dcat:mediaType": {"@id": f"https://www.iana.org/assignments/media-types/{file.media_type}"},
        "dcat:byteSize": {"@value": file.size_bytes, "@type": "xsd:nonNegativeInteger"},
        "dct:license": {"@id": licence_url(dataset)},
        "spdx:checksum": {
            "@type": "spdx:Checksum",
            "spdx:algorithm": {"@id": "spdx:checksumAlgorithm_sha256"},
            "spdx:checksumValue": {"@value": file.sha256, "@type": "xsd:hexBinary"},
        },
    }
