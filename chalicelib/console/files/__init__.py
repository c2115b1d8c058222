"""The pages of files: download an uploaded object, upload into a folder. May import the rest of the console."""
