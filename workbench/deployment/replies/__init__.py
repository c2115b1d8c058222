"""Where Twilio sends the texts from people: reads and sets the webhook of the sender."""
