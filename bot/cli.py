"""The command ``careline``. Parses arguments and hands over; each command imports only what it needs.

``careline triage`` must not load Rasa, torch or TensorFlow, so nothing heavy is imported at the top.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

EXIT_FAILED = 1
EXIT_USAGE = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status (0 fine, 1 failed, 2 wrong usage)."""
    _quiet_libraries()
    arguments = parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED


def parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    top = argparse.ArgumentParser(
        prog="careline", description="The virtual health assistant that a clinic runs itself."
    )
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="run the assistant: widget, console, webhooks")
    serve.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    serve.add_argument("--port", type=int, help="port to listen on (default 8080)")
    _common(serve)
    serve.set_defaults(run=_serve)

    train = commands.add_parser(
        "train", help="train dialogue and second reader (skipped when nothing has changed)"
    )
    train.add_argument("--out", type=Path, help="where to put it (default: models)")
    train.add_argument("--force", action="store_true", help="train even when nothing has changed")
    train.add_argument("--articles", action="store_true", help="also make the vectors of the articles")
    train.set_defaults(run=_train)

    chat = commands.add_parser("chat", help="talk to the assistant here in the terminal")
    chat.add_argument("--lang", choices=("en", "zh"), help="language of the first reply")
    _common(chat)
    chat.set_defaults(run=_chat)

    doctor = commands.add_parser("doctor", help="check this installation and say how to mend it")
    _common(doctor)
    doctor.set_defaults(run=_doctor)

    staff = commands.add_parser("staff", help="staff accounts of the console").add_subparsers(
        required=True, metavar="ACTION"
    )
    add = staff.add_parser("add", help="add a member of staff; the password is asked for, or read from stdin")
    add.add_argument("login")
    add.add_argument("--name", required=True, help="as patients see it")
    add.add_argument("--role", choices=("clinician", "reception", "admin"), default="clinician")
    add.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    _common(add)
    add.set_defaults(run=_staff_add)

    kb = commands.add_parser("kb", help="the clinic's own health articles").add_subparsers(
        required=True, metavar="ACTION"
    )
    kb_add = kb.add_parser("add", help="check a folder of Markdown articles and take it over")
    kb_add.add_argument("folder", type=Path)
    _common(kb_add)
    kb_add.set_defaults(run=_kb_add)

    triage = commands.add_parser("triage", help="JSON lines in, levels with reasons out")
    triage.add_argument(
        "--explain", action="store_true", help="print for a person, with the words underlined"
    )
    triage.add_argument(
        "--semantic", action="store_true", help="let the second reader raise what the rules do not hear"
    )
    triage.add_argument("--model", type=Path, help="folder of the trained second reader (default: models)")
    triage.set_defaults(run=_triage)

    rules = commands.add_parser("rules", help="check the triage rules").add_subparsers(
        required=True, metavar="ACTION"
    )
    rules.add_parser("check", help="schema, ids, sources, twin tests").set_defaults(run=_rules_check)

    evaluate = commands.add_parser("evaluate", help="our own labelled messages").add_subparsers(
        required=True, metavar="WHAT"
    )
    judged = evaluate.add_parser("triage", help="sensitivity, specificity and confusion of the rule layer")
    judged.add_argument("--half", choices=("held_out", "open", "training"), default="held_out")
    judged.add_argument("--picture", type=Path, help="draw the confusion matrix into this PNG file")
    judged.add_argument("--semantic", action="store_true", help="what the second reader adds and costs")
    judged.add_argument("--model", type=Path, help="folder of the trained second reader (default: models)")
    judged.set_defaults(run=_evaluate_triage)

    understood = evaluate.add_parser("nlu", help="accuracy of the intents, learning curve")
    understood.add_argument("--half", choices=("unseen", "development"), default="unseen")
    understood.add_argument("--picture", type=Path, help="draw the confusion matrix into this PNG file")
    understood.set_defaults(run=_evaluate_nlu)

    answered = evaluate.add_parser("answers", help="right article, answered and declined questions")
    answered.add_argument("--half", choices=("held_out", "open"), default="held_out")
    answered.add_argument("--lexical", action="store_true", help="without the sentence encoder")
    _common(answered)
    answered.set_defaults(run=_evaluate_answers)

    parse = commands.add_parser("parse", help="JSON lines in, intents and findings out")
    parse.add_argument("--model", type=Path, help="folder of the trained model (default: models)")
    parse.set_defaults(run=_parse)

    answer = commands.add_parser("answer", help="JSON lines in, cited answers out")
    _common(answer)
    answer.set_defaults(run=_answer)
    return top


def _common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data", type=Path, help="folder of everything embedded (default var/demo)")
    command.add_argument("--clinic", type=Path, help="the clinic file (default: the demo clinic)")


def _quiet_libraries() -> None:
    """Libraries that print to a terminal on import are told not to, before any is imported."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("SQLALCHEMY_SILENCE_UBER_WARNING", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("RASA_TELEMETRY_ENABLED", "false")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")


def _triage(arguments: argparse.Namespace) -> int:
    from bot.triage.commands import run_triage

    if arguments.semantic:
        from bot import commands

        return commands.triage_semantic(arguments.model, explain=arguments.explain)
    return run_triage(sys.stdin, sys.stdout, explain=arguments.explain)


def _rules_check(arguments: argparse.Namespace) -> int:
    from bot.triage.commands import run_rules_check

    return run_rules_check(sys.stdout)


def _evaluate_triage(arguments: argparse.Namespace) -> int:
    from bot.triage.evaluate import run_evaluate

    if arguments.semantic:
        from bot import commands

        return commands.evaluate_semantic(arguments.half, arguments.picture, arguments.model)
    return run_evaluate(sys.stdout, arguments.half, arguments.picture)


def _evaluate_nlu(arguments: argparse.Namespace) -> int:
    from nlu.evaluate import main as evaluate_nlu

    picture = ["--picture", str(arguments.picture)] if arguments.picture else []
    return evaluate_nlu(["--half", arguments.half, *picture], sys.stdout)


def _evaluate_answers(arguments: argparse.Namespace) -> int:
    from bot import commands

    return commands.evaluate_answers(arguments.half, data=arguments.data, lexical=arguments.lexical)


def _parse(arguments: argparse.Namespace) -> int:
    from bot import commands

    return commands.parse(arguments.model)


def _answer(arguments: argparse.Namespace) -> int:
    from bot import commands

    return commands.answer(data=arguments.data)


def _train(arguments: argparse.Namespace) -> int:
    from bot import commands

    return commands.train(arguments.out, force=arguments.force, articles=arguments.articles)


def _serve(arguments: argparse.Namespace) -> int:
    from bot import commands

    return commands.serve(
        host=arguments.host, port=arguments.port, data=arguments.data, clinic=arguments.clinic
    )


def _chat(arguments: argparse.Namespace) -> int:
    from bot import commands

    return commands.chat(lang=arguments.lang, data=arguments.data, clinic=arguments.clinic)


def _doctor(arguments: argparse.Namespace) -> int:
    from bot import doctor

    return doctor.run(data=arguments.data, clinic=arguments.clinic)


def _staff_add(arguments: argparse.Namespace) -> int:
    from bot import commands

    return commands.staff_add(
        arguments.login,
        arguments.name,
        arguments.role,
        from_stdin=arguments.password_stdin,
        data=arguments.data,
        clinic=arguments.clinic,
    )


def _kb_add(arguments: argparse.Namespace) -> int:
    from bot import commands

    return commands.kb_add(arguments.folder, data=arguments.data)


if __name__ == "__main__":
    raise SystemExit(main())
