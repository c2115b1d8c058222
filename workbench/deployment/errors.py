"""The error of set-up, deploy and finish."""


class SetupError(Exception):
    """Set-up cannot continue: what is wrong and what to do."""
