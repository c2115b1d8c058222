"""The reports behind the commands: values and lines of text to print. May import account and the packages below it."""
