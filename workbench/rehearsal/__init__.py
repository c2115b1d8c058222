"""`dropnote rehearse`: runs a complete deployment on a fresh local account with the commands a user types. May import local."""
