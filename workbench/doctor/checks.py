"""All checks of the doctor, in the order in which they run. To add a check, add an entry here."""

from ..deployment.identities import by_ses
from . import aws, deployed, mail, streams, texts
from .model import Check

CHECKS = (
    Check("functions", "the functions", "the functions are deployed", deployed.present),
    Check(
        "orphans",
        "functions of renamed handlers",
        "no functions of renamed handlers remain",
        deployed.orphans,
        needs="functions",
    ),
    Check("package", "the functions' code", "the functions run the code of this checkout", deployed.package, needs="functions"),
    Check(
        "environment",
        "the functions' environment",
        "the functions have the environment of config.json",
        deployed.environment,
        needs="functions",
    ),
    Check(
        "retries",
        "retries and the dead-letter queue",
        "events that keep failing go to the dead-letter queue",
        deployed.retries,
        needs="functions",
    ),
    Check(
        "counting",
        "the table streams",
        "the streams of the ledger and of the rules' tables are read",
        streams.read,
        needs="functions",
    ),
    Check("buckets", "the bucket notifications", "the uploads to each bucket of a rule reach the bot", aws.buckets),
    Check("sweep", "the last sweep", "the sweep runs", aws.sweep),
    Check("dead-events", "the dead-letter queue", "the dead-letter queue is empty", aws.dead_events),
    Check("secrets", "the secrets", "the secrets exist and are encrypted", aws.secrets),
    Check("mail-region", "SES in this region", "SES is available in this region", mail.region, by_ses),
    Check(
        "mail-sending",
        "the account's e-mail",
        "SES sends, and today's quota is not nearly used up",
        mail.sending,
        by_ses,
        "mail-region",
        mail.quota,
    ),
    Check(
        "mail-sender",
        "the e-mail sender",
        "the e-mail sender is verified",
        mail.sender,
        by_ses,
        "mail-region",
        mail.found_sender,
    ),
    Check(
        "mail-permission",
        "the functions' permission to send mail",
        "the functions may send mail with the sender's identity",
        mail.permission,
        by_ses,
        "functions",
    ),
    Check(
        "mail-sandbox",
        "the SES sandbox",
        "SES is out of the sandbox and sends to any address",
        mail.recipients,
        by_ses,
        "mail-region",
    ),
    Check(
        "texts-login",
        "the Twilio account",
        "the Twilio account is active and sends to any number",
        texts.login,
        texts.with_texts,
    ),
    Check(
        "texts-sender",
        "the SMS sender",
        "the SMS sender belongs to the account and can send texts",
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
        "the countries you send texts to",
        "the account may send texts to each person's country",
        texts.countries,
        texts.with_texts,
        "texts-login",
    ),
    Check(
        "receipts", "the URL for delivery receipts", "Twilio has the URL for delivery receipts", aws.receipts, texts.with_texts
    ),
)
