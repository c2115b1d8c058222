"""The further conditions of upload rules as `dropnote explain` shows them, and the facts about an object that they need."""
