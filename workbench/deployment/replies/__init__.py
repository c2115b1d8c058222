"""Where providers send what comes back: Twilio the texts from people, SNS what SES reports from another region or account."""
