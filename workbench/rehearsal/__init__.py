"""`dropnote rehearse`: the whole life of a deployment on a fresh local account, by the commands a user types."""
