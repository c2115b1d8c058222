"""Uploads from the inbox page to the local bucket."""
