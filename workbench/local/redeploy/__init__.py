"""Brings changes of the project into the running local environment (`dropnote up --watch`). May import the rest of local."""
