"""The console: the HTML pages and links that the API function serves. May import everything below `settings`."""
