"""Draws the pictures of docs/ from invented data: `make screenshots`. May import tests, whose samples it uses."""
