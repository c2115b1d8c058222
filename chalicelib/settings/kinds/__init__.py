"""Reads the fields of each kind of rule: uploads, events of the bus, items. May import what settings may."""
