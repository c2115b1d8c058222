"""A double of Twilio: what its documentation says of texts, their receipts and the account, over HTTP, errors included."""
