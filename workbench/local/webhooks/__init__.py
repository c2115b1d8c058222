"""Slack, Microsoft Teams, Discord and a receiver of Standard Webhooks that post nothing: one file each, and what they share."""
