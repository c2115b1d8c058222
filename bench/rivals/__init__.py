"""What Dropnote is measured against. Each file is a function of its own, packaged as app.py; none is imported from here."""
