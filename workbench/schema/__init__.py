"""The JSON Schema of dropnote.toml, generated from the code that reads the settings. Imports chalicelib and paths."""
