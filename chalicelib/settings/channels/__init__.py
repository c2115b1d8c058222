"""Reads the tables of the channels: [email], [sms], [whatsapp], [webhooks]. May import what settings may."""
