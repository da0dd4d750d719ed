"""A letter as PDF, drawn by WeasyPrint from the same template as the page. Nothing is fetched from anywhere while drawing."""

from __future__ import annotations

from typing import Any

from django.template.loader import render_to_string

from portal.core.errors import Refusal

FROM = "Compute Commons"
STYLE = """
@page { size: A4; margin: 22mm 22mm 24mm;
  @bottom-left { content: string(about); font: 8pt sans-serif; color: #4d5f69 }
  @bottom-right { content: counter(page) " / " counter(pages); font: 8pt sans-serif; color: #4d5f69 } }
.from { string-set: about content(); font-weight: bold; letter-spacing: .02em; border-bottom: 1px solid #17242b;
  padding-bottom: 2mm; margin: 0 0 9mm }
body { font: 10.5pt/1.5 sans-serif; color: #17242b }
h1 { font-size: 17pt; line-height: 1.2 } h2 { font-size: 12.5pt; margin: 1.3em 0 .3em }
h3 { font-size: 10.5pt; margin: .8em 0 .2em } p { margin: 0 0 .7em; orphans: 3; widows: 3 }
h1, h2, h3 { break-after: avoid } dl, .notice, tr { break-inside: avoid }
.small { font-size: 9.5pt; font-weight: normal } .soft { color: #4d5f69 } .lead { font-size: 12pt }
dl { display: grid; grid-template-columns: 35mm 1fr; gap: 1mm 5mm } dd { margin: 0 }
table { border-collapse: collapse; width: 100%; margin: 0 0 5mm; font-size: 9.5pt }
thead { display: table-header-group }
th, td { text-align: left; vertical-align: top; padding: 1mm 3mm 1mm 0; border-bottom: 1px solid #ccc }
.num { text-align: right; padding-right: 0 } .num, .day { white-space: nowrap } .prose { white-space: pre-line }
.notice { border: 1px solid #888; padding: 3mm } .actions, .badge { display: none }
"""


def letter_pdf(context: dict[str, Any]) -> bytes:
    """
    The decision letter as PDF.

    :raises Refusal: `pdf_unavailable` where the machine lacks Pango
    """
    return _draw("awards/letter_body.html", f"Decision on {context['application'].code}", context)


def subsidy_pdf(context: dict[str, Any]) -> bytes:
    """
    The letter about aid received, as PDF.

    :raises Refusal: `pdf_unavailable` where the machine lacks Pango
    """
    return _draw("awards/subsidy_letter.html", "Aid received", context)


def _draw(template: str, title: str, context: dict[str, Any]) -> bytes:
    try:
        from weasyprint import CSS, HTML
    except OSError:
        raise Refusal(
            "pdf_unavailable",
            "This machine cannot draw PDF: it lacks Pango (Debian: libpango-1.0-0, libpangoft2-1.0-0). "
            "Print the page instead, or ask the operator.",
            status=503,
        ) from None
    html = render_to_string(template, {**context, "printed": True})
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><meta name="author" content="{FROM}">'
    page = f'{head}<body><p class="from">{FROM} · {title}</p>{html}</body></html>'
    return HTML(string=page, url_fetcher=_nothing).write_pdf(stylesheets=[CSS(string=STYLE)]) or b""


def _nothing(url: str, *_: Any, **__: Any) -> Any:
    raise ValueError(f"a letter fetches nothing: {url}")
