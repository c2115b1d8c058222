"""The dropnote command: one module per command group, no logic. May import every other package of the workbench."""
