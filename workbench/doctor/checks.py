"""All checks, in the order in which one would look. One more is one more line here."""

from . import aws, counting, deployed, mail, texts
from .model import Check

CHECKS = (
    Check("functions", "the functions", "the functions are deployed", deployed.present),
    Check(
        "orphans",
        "functions left behind",
        "no function was left behind by a renamed handler",
        deployed.orphans,
        needs="functions",
    ),
    Check("package", "what the functions run", "the functions run what this checkout has", deployed.package, needs="functions"),
    Check(
        "environment",
        "the functions' environment",
        "they see the environment of config.json",
        deployed.environment,
        needs="functions",
    ),
    Check("retries", "retries and dead events", "what fails for good is kept", deployed.retries, needs="functions"),
    Check("counting", "the count of what is sent", "what is sent is counted", counting.stream, needs="functions"),
    Check("buckets", "the buckets' notifications", "each bucket of a rule tells its function of uploads", aws.buckets),
    Check("sweep", "the last sweep", "the sweep runs", aws.sweep),
    Check("dead-events", "the dead-event queue", "no dead event waits", aws.dead_events),
    Check("secrets", "the secrets", "the secrets are there, and kept as secrets", aws.secrets, aws.has_secrets),
    Check("mail-region", "SES in this region", "SES is in this region", mail.region, mail.by_ses),
    Check(
        "mail-sending", "the account's mail", "SES sends, and today's quota is not near", mail.sending, mail.by_ses, "mail-region"
    ),
    Check("mail-sender", "the sender of mail", "the sender of mail is verified", mail.sender, mail.by_ses, "mail-region"),
    Check(
        "mail-sandbox",
        "the sandbox of SES",
        "SES sends to anybody: it is out of its sandbox",
        mail.recipients,
        mail.by_ses,
        "mail-region",
    ),
    Check(
        "texts-login", "the Twilio account", "the Twilio account is active, and texts to anybody", texts.login, texts.with_texts
    ),
    Check(
        "texts-sender",
        "the sender of texts",
        "the sender of texts is ours and can text",
        texts.sender,
        texts.with_texts,
        "texts-login",
    ),
    Check(
        "texts-10dlc",
        "registration in the United States",
        "texts to the United States, if any, have a registered sender",
        texts.us_registration,
        texts.with_texts,
        "texts-login",
    ),
    Check(
        "texts-countries",
        "countries that may be texted",
        "each person's country may be texted",
        texts.countries,
        texts.with_texts,
        "texts-login",
    ),
    Check("receipts", "where receipts go", "Twilio knows where to tell how a text fared", aws.receipts, texts.with_texts),
)
