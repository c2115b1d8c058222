"""A double of Twilio over HTTP that follows its documentation, errors included. Imports nothing from its siblings."""
