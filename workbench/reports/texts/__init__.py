"""What texts cost, by the list price of a country. Imports what reports import."""
