"""`dropnote smoke`: tries a deployment in the user's own account, with a stage and a bucket of its own. May import rehearsal."""
