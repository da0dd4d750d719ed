"""Registry numbers checked offline by their check digits (python-stdnum); the rest is marked for a person to check."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from stdnum import get_cc_module, lei
from stdnum.exceptions import InvalidChecksum, ValidationError

# Company numbers beside VAT, per country: python-stdnum module names.
COMPANY_NUMBERS = {
    "BE": ["be.vat"], "CH": ["ch.uid"], "CN": ["cn.uscc"], "CZ": ["cz.dic"], "DK": ["dk.cvr"], "EE": ["ee.registrikood"],
    "ES": ["es.cif"], "FI": ["fi.ytunnus"], "FR": ["fr.siren", "fr.siret"], "GH": ["gh.tin"], "IN": ["in_.gstin"],
    "IT": ["it.iva"], "KE": ["ke.pin"], "NO": ["no.orgnr"], "PL": ["pl.regon"], "SE": ["se.orgnr"], "US": ["us.ein"],
}  # fmt: skip


class WrongNumber(ValueError):
    """The number has the form of a known kind but its check digit is wrong: a slip of the pen."""


@dataclass(frozen=True)
class NumberFinding:
    """The number in its normal form, and by which rule it was checked ("" = a person will check)."""

    number: str
    scheme: str


def registry_number_check(*, country: str, number: str) -> NumberFinding:
    """
    Check a registry number of an enterprise in `country` (ISO 3166 alpha-2).

    :raises WrongNumber: when a kind recognises its form and finds the check digit wrong
    """
    plain = "".join(number.split()).upper()
    slip = ""
    for scheme, module in _checkers(country, plain):
        try:
            return NumberFinding(module.validate(plain), scheme)
        except InvalidChecksum:
            slip = slip or scheme
        except ValidationError:
            continue
    if slip:
        raise WrongNumber(f"{number} looks like a {slip} but its check digit does not fit. Look for a slip in the digits.")
    return NumberFinding(plain, "")


def _checkers(country: str, plain: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    if len(plain) == 20:
        found.append(("LEI", lei))
    vat = get_cc_module(country.lower(), "vat")
    if vat is not None:
        found.append((f"{country} VAT number", vat))
    for name in COMPANY_NUMBERS.get(country, []):
        try:
            module = import_module(f"stdnum.{name}")
        except ImportError:
            continue
        found.append((f"{country} company number ({name.split('.')[-1].upper()})", module))
    return found
