"""What machines read of a dataset: Croissant, DCAT, sitemap."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest
from django.conf import settings

from allocations.datasets import exports
from allocations.datasets.access import page_url
from allocations.datasets.croissant import croissant
from allocations.datasets.demo.catalogue import DATASETS
from allocations.datasets.models import Dataset

from .conftest import Library
from .test_pages import browser

pytestmark = pytest.mark.django_db(databases=settings.DATABASES.keys())


def test_the_croissant_of_every_kind_of_dataset_is_valid(library: Library) -> None:
    import mlcroissant

    for entry in DATASETS:
        library.dataset(
            **{k: v for k, v in entry.items() if k not in ("slug", "access_class")},
            slug=entry["slug"],
            access_class=entry["access_class"],
        )
    for dataset in Dataset.objects.all():
        version = dataset.versions.get()
        body = croissant(dataset=dataset, version=version, files=list(version.files.all()))
        issues = mlcroissant.Dataset(jsonld=body).metadata.ctx.issues
        assert not issues.errors, (dataset.slug, issues.errors)
        assert body["distribution"][0]["sha256"] == version.files.get().sha256


def test_the_page_carries_it_and_the_file_is_the_same(library: Library) -> None:
    page = browser().get("/datasets/air/").content.decode()
    begin = page.index('<script type="application/ld+json">') + len('<script type="application/ld+json">')
    inside = json.loads(page[begin : page.index("</script>", begin)])
    assert inside == json.loads(browser().get("/datasets/air/croissant.jsonld").content)
    assert inside["name"] == "air"


def test_words_of_people_cannot_break_out_of_the_page(library: Library) -> None:
    evil = '</script><script>alert(1)</script>"><img src=x onerror=alert(1)>'
    library.dataset("evil", "open", title=evil, summary=evil, description=evil, citation=evil, publisher=evil, source=evil)
    page = browser().get("/datasets/evil/").content.decode()
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "<img src=x" not in browser().get("/datasets/?q=alert").content.decode()


def test_dcat_names_rights_files_and_checksums(library: Library) -> None:
    body = json.loads(browser().get("/datasets/faces/dcat.jsonld").content)
    assert body["@context"]["dcat"] == "http://www.w3.org/ns/dcat#"
    assert body["dct:accessRights"]["@id"].endswith("RESTRICTED")
    file = body["dcat:distribution"][0]
    assert file["dcat:byteSize"]["@value"] == 8
    assert len(file["spdx:checksum"]["spdx:checksumValue"]["@value"]) == 64
    assert json.loads(browser().get("/datasets/air/dcat.jsonld").content)["dct:accessRights"]["@id"].endswith("PUBLIC")


def test_the_catalogue_is_paged_and_leaves_out_what_was_withdrawn(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "CATALOGUE_PAGE", 2)
    Dataset.objects.filter(slug="sea").update(withdrawn_at=library.now, withdrawn_reason="x")
    first = browser().get("/datasets/catalogue.jsonld")
    assert [node["dct:identifier"] for node in json.loads(first.content)["dcat:dataset"]] == ["air", "faces"]
    assert "Link" not in first
    library.dataset("rain", "open")
    first = browser().get("/datasets/catalogue.jsonld")
    assert 'rel="next"' in first["Link"]
    assert len(json.loads(browser().get("/datasets/catalogue.jsonld?page=2").content)["dcat:dataset"]) == 1
    assert json.loads(browser().get("/datasets/catalogue.jsonld?page=-1").content)["dcat:dataset"]


def test_the_sitemap_lists_every_published_page(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    assert addresses("/sitemap.xml") == {page_url(slug) for slug in ("air", "sea", "faces")}
    monkeypatch.setattr(exports, "SITEMAP_MAX", 2)
    pages = addresses("/sitemap.xml")
    assert pages == {f"{settings.PORTAL_URL}/sitemap.xml?page={number}" for number in (1, 2)}
    found = [addresses(page.removeprefix(settings.PORTAL_URL)) for page in sorted(pages)]
    assert [len(some) for some in found] == [2, 1]
    assert found[0] | found[1] == {page_url(slug) for slug in ("air", "sea", "faces")}
    for wrong in ("9999999999", "-1", "x", "²"):
        assert browser().get(f"/sitemap.xml?page={wrong}").status_code == 200


def addresses(path: str) -> set[str | None]:
    root = ET.fromstring(browser().get(path).content)  # noqa: S314 (our own document)
    return {node.text for node in root.iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")}


def test_as_linked_data_it_says_what_dcat_ap_and_schema_org_ask_for(library: Library) -> None:
    """Read by an RDF library as others' catalogues do, not by the names of our own keys."""
    from rdflib import DCAT, DCTERMS, RDF, SDO, Graph, URIRef

    page = URIRef(page_url("faces"))
    graph = Graph().parse(data=browser().get("/datasets/faces/dcat.jsonld").content, format="json-ld")
    assert (page, RDF.type, DCAT.Dataset) in graph
    for fact in (DCTERMS.title, DCTERMS.description, DCTERMS.publisher, DCTERMS.accessRights, DCAT.distribution):
        assert graph.value(page, fact) is not None, fact
    file = graph.value(page, DCAT.distribution)
    for fact in (DCAT.accessURL, DCTERMS.license, DCAT.mediaType, DCAT.byteSize):
        assert graph.value(file, fact) is not None, fact
    graph = Graph().parse(data=browser().get("/datasets/faces/croissant.jsonld").content, format="json-ld")
    site = str(SDO)
    kinds = {str(kind) for kind in graph.objects(page, RDF.type)}
    assert kinds & {f"{site}Dataset", site.replace("https", "http") + "Dataset"}
    for fact in ("name", "description", "license", "creator", "distribution", "version"):
        assert graph.value(page, URIRef(f"{site}{fact}")) is not None, fact
