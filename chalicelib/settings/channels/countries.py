"""Reads which countries texts may go to, and checks that every number is in one of them."""

from collections.abc import Mapping

from ...domain.people import Person
from ...platform.fields.countries import COUNTRIES, country, country_of
from ...platform.fields.table import Finding, Table
from ...platform.sanitize import mask_number
from ..document import Document


def read(table: Table, document: Document, people: Mapping[str, Person]) -> tuple[str, ...]:
    """The countries of [sms]. A number elsewhere is an error of its person, because no text would ever be sent to it."""
    countries = table.parsed_list("countries", (), country)
    if table.raw("countries") == []:
        table.add_error("countries", "empty", "remove it to allow every country")
    for person in people.values() if countries else ():
        place = country_of(person.sms) if person.sms else ""
        if person.sms and place not in countries:
            name = f"[people.{person.name}]"
            problem = f"{mask_number(person.sms)} is in {place or 'no country'}; texts may only go to {', '.join(countries)}"
            hint = f'add "{place}" to countries in [sms], or remove the number' if place in COUNTRIES else "remove the number"
            document.findings.append(Finding(name, "sms", problem, hint, ("people", person.name, "sms")))
    return countries
