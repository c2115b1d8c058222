"""What an upload costs, cold and warm, beside what others would cost: all in AWS's own runtime, against one local AWS.

    make bench                                      seven rounds, about three minutes
    .venv/bin/python -m bench.cold --rounds 3       a quick look
    .venv/bin/python -m bench.cold --only mail --only bare
    .venv/bin/python -m bench.cold --write          also into bench/RESULTS.md and docs/cost.md

The variants are measured in turn, in another order each round, so that a machine that changes its speed changes all of them; a
ratio is the median of the rounds' ratios.
"""

import random
import signal
import sys
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from bench import report, written
from bench.measuring import Sample, Uploads, Used, Variant, count, measure
from bench.packages import RIVALS, Package, dropnote, plain, settings_of, tutorial
from chalicelib.platform.function_names import function_name
from workbench.local.local_server import create_app, listening, serving
from workbench.local.ministack import MiniStack
from workbench.local.resources import apply_stack, put_secrets, verify_sender
from workbench.local.twilio.double import TwilioDouble
from workbench.output import bar, fail, working
from workbench.paths import BENCH, PROJECT, RUNTIME_EMULATOR

STAGE = "local"
BUCKET = "acme-drops"  # of the payloads
ACCOUNT, TOKEN = "AC" + "0" * 32, "a-token-of-the-bench"
NOBODY = "http://127.0.0.1:9"  # hears of Twilio's receipts
RIVAL_NAMES = ("empty", "bare", "powertools", "tutorial")
MAIL, BOTH = ["email:asha"], ["email:asha", "sms:asha"]


@dataclass(frozen=True, slots=True)
class Stand:
    """The local AWS and the Twilio double of one run."""

    ministack: MiniStack
    twilio: TwilioDouble
    desk: str


@contextmanager
def stand() -> Iterator[Stand]:
    """Start them, with the tables, secrets and sender that the functions need."""
    with MiniStack() as ministack, listening() as listener:
        apply_stack(ministack, PROJECT / "resources.yaml", STAGE)
        verify_sender(ministack, "drops@example.com")
        put_secrets(ministack, f"/dropnote/{STAGE}/", {"twilio-auth-token": TOKEN})
        ministack.client("ssm").put_parameter(Name=f"/dropnote/{STAGE}/public-url", Value=NOBODY, Type="String", Overwrite=True)
        twilio = TwilioDouble(ACCOUNT, TOKEN)
        with serving(create_app(twilio, ministack.endpoint), listener) as desk:
            yield Stand(ministack, twilio, desk)


def variants(folder: Path, desk: str, only: Collection[str]) -> list[Variant]:
    """Make the packages, two at a time; only those of that name where names are given."""
    ledger = f"dropnote-{STAGE}-ledger"
    ours = {
        "DROPNOTE_STAGE": STAGE,
        "DROPNOTE_LEDGER": ledger,
        "DROPNOTE_DEAD_EVENTS": f"dropnote-{STAGE}-dead-events",
        "DROPNOTE_SECRETS": f"/dropnote/{STAGE}/",
        "UPLOAD_BUCKET": BUCKET,
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_BASE_URL": desk,
    }
    function = f"dropnote-{STAGE}-{function_name('upload', BUCKET)}"
    packages: dict[str, tuple[str, Callable[[Path], Package]]] = {
        "empty": ("an empty handler", partial(plain, RIVALS / "empty.py")),
        "bare": ("bare boto3: claim, send, mark", partial(plain, RIVALS / "bare.py")),
        "powertools": (
            "Powertools' idempotent handler",
            partial(plain, RIVALS / "idempotent.py", beside=BENCH / "powertools"),
        ),
        "tutorial": ("the usual tutorial's bot", tutorial),
        "mail": ("Dropnote, a mail", partial(dropnote, settings_of(MAIL))),
        "both": ("Dropnote, a mail and a text", partial(dropnote, settings_of(BOTH))),
        "boto3-in-zip": ("Dropnote, a mail, boto3 in its zip", partial(dropnote, settings_of(MAIL), with_boto3=True)),
        "10-rules": ("Dropnote, a mail, 10 rules", partial(dropnote, settings_of(MAIL, 10))),
        "1000-rules": ("Dropnote, a mail, 1,000 rules", partial(dropnote, settings_of(MAIL, 1_000))),
    }
    with ThreadPoolExecutor(2) as pool:
        names = [name for name in packages if not only or name in only]
        made = pool.map(lambda name: packages[name][1](folder / name), names)
        return [
            Variant(name, packages[name][0], package, {"LEDGER": ledger}, "rival")
            if name in RIVAL_NAMES
            else Variant(name, packages[name][0], package, ours, function)
            for name, package in zip(names, made, strict=True)
        ]


@click.command()
@click.option("--rounds", default=7, show_default=True, type=click.IntRange(1, 100))
@click.option(
    "--warm", default=30, show_default=True, type=click.IntRange(1, 1_000), help="Uploads a container, after the first few."
)
@click.option("--write", is_flag=True, help="Write bench/RESULTS.md, and the table of docs/cost.md.")
@click.option("--only", multiple=True, help="Of the variants only these, by name.")
def main(rounds: int, warm: int, write: bool, only: tuple[str, ...]) -> None:
    """Measure Dropnote beside its rivals."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # takes everything down, as Ctrl-C does
    if not (RUNTIME_EMULATOR.exists() and BENCH.exists()):
        fail("AWS's runtime and the rivals are not there yet: python3 -m workbench.bootstrap dev runtime bench")
    with TemporaryDirectory(prefix="dropnote-bench-") as folder, working("starting the local AWS") as step, stand() as there:
        step("making the packages")
        measured = variants(Path(folder), there.desk, only)
        step("counting calls")
        uploads, samples = Uploads(), {each.name: list[Sample]() for each in measured}
        used: dict[str, Used] = {each.name: count(each, there.ministack, uploads) for each in measured}
        if "both" in used and not there.twilio.messages():
            fail("Dropnote sent no text: there is nothing to compare.")
        step("measuring")
        with bar("measuring", rounds) as done:
            for number in range(rounds):
                order = random.Random(number).sample(measured, len(measured))
                for name, sample in measure(order, there.ministack.endpoint, uploads, warm).items():
                    samples[name].append(sample)
                done(f"round {number + 1}")
    results = report.Results(measured, samples, used)
    report.show(results)
    if not results.complete:
        return
    if write:
        written.write(results, rounds, warm)
    if not all(target.holds for target in report.targets(results)):
        sys.exit(1)


if __name__ == "__main__":
    main()
