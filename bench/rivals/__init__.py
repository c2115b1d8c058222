"""The bots that Dropnote is compared with. Each file is a separate function, packaged as app.py; none is imported from here."""
