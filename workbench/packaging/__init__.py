"""Builds `vendor/`, which Chalice adds to the Lambda zip: compiled modules and templates, and botocore's data."""
