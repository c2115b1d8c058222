"""The conditions of upload rules as `dropnote explain` shows them, the facts that they need, and what `check` warns of."""
