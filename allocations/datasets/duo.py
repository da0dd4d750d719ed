"""
Data use codes (Data Use Ontology, GA4GH): what an owner allows, compared with what a request says. A person decides.

The words are ours and short; the codes are the ontology's.
"""

from __future__ import annotations

from dataclasses import dataclass

USES = {
    "general": "general research or development",
    "health": "health or biomedicine",
    "disease": "one disease",
    "methods": "developing methods or software",
    "origins": "ancestry of populations",
}

CODES: dict[str, str] = {
    "NRES": "no restriction",
    "GRU": "general research use",
    "HMB": "health, medical or biomedical use only",
    "DS": "one disease only",
    "POA": "ancestry of populations only",
    "RS": "one kind of research only",
    "NMDS": "no general development of methods",
    "GSO": "genetic studies only",
    "NPU": "not for profit-making organisations",
    "NCU": "no commercial use",
    "NPUNCU": "not for profit-making organisations, no commercial use",
    "PUB": "results are published",
    "COL": "with the owner of the data",
    "IRB": "with an ethics approval",
    "GS": "within a region",
    "MOR": "results not before a date",
    "TS": "until a date",
    "US": "for the named people only",
    "PS": "for the named project only",
    "IS": "for the named institution only",
    "RTN": "results are returned to the owner",
    "CC": "clinical care",
}
NO_ENTERPRISE = {"NPU", "NCU", "NPUNCU"}
ALLOWS = {"HMB": {"health", "disease"}, "DS": {"disease"}, "POA": {"origins"}}


@dataclass(frozen=True)
class Finding:
    """One code beside one request: fits "yes", "no", or "ask" when a person has to see."""

    code: str
    words: str
    fits: str
    why: str


def duo_findings(codes: list[str], *, use: str = "", ends: bool = False) -> list[Finding]:
    """
    Compare a dataset's codes with a request.

    :param use: a key of `USES`, or "" before anything was said
    :param ends: whether the request has a last day
    """
    return [Finding(code, CODES.get(code, "a code we do not know"), *_fits(code, use, ends)) for code in codes]


def excludes_enterprises(codes: list[str]) -> bool:
    """Whether no enterprise may use the data, whatever it asks: said before the form."""
    return bool(NO_ENTERPRISE & set(codes))


def _fits(code: str, use: str, ends: bool) -> tuple[str, str]:
    if code in ("NRES", "GRU", "PS", "IS", "US"):
        return "yes", "every request here is for one project of one enterprise and its named people"
    if code in NO_ENTERPRISE:
        return "no", "people here work for enterprises"
    if code == "TS":
        return ("yes", "the request has a last day") if ends else ("ask", "the request names no last day")
    return _fits_use(code, use) if use else ("ask", "see whether the request says so")


def _fits_use(code: str, use: str) -> tuple[str, str]:
    said = f"the request is for {USES.get(use, use)}"
    if code == "NMDS":
        return ("no" if use == "methods" else "yes"), said
    if code not in ALLOWS:
        return "ask", "see whether the request says so"
    if use not in ALLOWS[code]:
        return "no", said
    return ("ask", f"{said}: is it the right one?") if code == "DS" else ("yes", said)
