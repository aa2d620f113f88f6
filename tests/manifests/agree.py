#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether the schema and the validator say the same of whole manifests.

agree.py SIDECARD SOURCE [SEED]

The schema is what editors and packagers check against, so it must not be stricter than the daemon;
and the daemon may be stricter only where a schema cannot follow (names that refer to each other,
templates, the file's name) or where a key is of a later version. Those rules are listed below, by
their messages. Asked are all files of the corpus, and mutations of the good ones.
"""

import json
import os
import random
import re
import subprocess
import sys
import tempfile

try:
    from jsonschema import Draft202012Validator
except ImportError:
    print("skipped: there is no python3-jsonschema")
    sys.exit(77)

MUTATIONS = 600

# What no schema can say, or what would make this one unreadable.
STRICTER = [
    r"is not supported yet: take it out",
    # names that have to be there, or must not
    r'there is no (sidecar|mode|port) "',
    r"depends on itself: ",
    r"they wait for each other: ",
    r"never completes: ",
    r"the sidecar has no port",
    r"there is no port to probe: ",
    r"a probe goes to a port or to a socket: ",
    r"there is no port to ask at: ",
    r'"path" is missing: ',
    r"port \d+ is both ",
    r'"port" is short for this one: ',
    r"the id is .*, the file's name says ",
    # what is in a string
    r"\{.*\} is unknown: ",
    r'\{env:.*\} is of no "passEnv": ',
    r'"default" does not match "pattern"',
    r"\{url:.*\} is of no dependency: ",
    r"a \{ without its \}: ",
    r"is not absolute: ",
    r"is no signal: ",
    r"is no list of status codes: ",
    r"this is no regular expression: ",
    r"\{token\} goes into ",
    r"a path has no spaces or control characters: ",
    r"is no name of a header: ",
    r"a header is one line ",
    r"the program is an empty string: ",
    r'"serverUrl" (has|is) ',
    # how much
    r"and must be at least 50ms",
    r"is over a hundred years: ",
    r"is more than 1048576T: ",
    r"is \d+, and must be from 1 to \d+",
    # 1.0 is an integer to a schema, and a mistake to us
    r"is a number, and must be .*(whole number|the number 1)",
]

# The text itself (contract F2): Python's JSON takes some of what is wrong with it.
STRICTER_TEXT = [
    r"this key is there twice: ",
    r"is half of a character: ",
    r"JSON has no NaN and no Infinity: ",
    r"more than \d+ keys in one object: ",
    r"more than \d+ values: ",
    r"nested deeper than 16 levels: ",
    r"a number of over 15 digits does not fit: ",
]

WORDS = [
    None, True, False, -1, 0, 1, 2, 16, 8001, 65536, 0.5, 1.5, 1e10, "", "x", "auto", "always",
    "no", "on-failure", "500ms", "10ms", "5", "10M", "web", "db", "ready", "started", "completed",
    "restart", "report", "fail", "/health", "{port}", "{nobody}", "SIGINT", "200-399", "SIG", [],
    {}, ["web"], ["web", "web"], ["x", 1], {"web": "ready"}, {"db": {}}, {"http": {}},
    {"tcp": {}}, {"x-y": 1}, {"port": 8001}, "https://example.org", "service", "default",
]


def load(path):
    """The document of a file, or None where Python's JSON finds none."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (ValueError, RecursionError):
        return None


def keys_of(schema):
    found = set()
    if isinstance(schema, dict):
        found |= set(schema.get("properties", {}))
        for value in schema.values():
            found |= keys_of(value)
    elif isinstance(schema, list):
        for value in schema:
            found |= keys_of(value)
    return found


def containers(value):
    if isinstance(value, (dict, list)):
        yield value
        for child in value.values() if isinstance(value, dict) else value:
            yield from containers(child)


def mutate(document, keys, rng):
    """One change at a random place: a value, a key less, a key more, or a key misspelt."""
    places = [each for each in containers(document) if each]
    if not places:
        return
    place = rng.choice(places)
    word = json.loads(json.dumps(rng.choice(WORDS)))
    if isinstance(place, list):
        place[rng.randrange(len(place))] = word
        return

    key = rng.choice(sorted(place))
    kind = rng.randrange(10)
    if kind < 5:
        place[key] = word
    elif kind < 7:
        del place[key]
    elif kind < 9:
        place[rng.choice(keys)] = word
    else:
        place[key[:-1] + "_"] = place.pop(key)


def make_mutations(good, folder, keys, rng):
    for number in range(MUTATIONS):
        source = rng.choice(good)
        document = load(source)
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            mutate(document, keys, rng)
        path = os.path.join(folder, str(number), os.path.basename(source))
        os.mkdir(os.path.dirname(path))
        with open(path, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)
        os.chmod(path, 0o644)
        yield path


def ask(sidecard, paths):
    """What the validator says of each: "" for nothing."""
    said = dict.fromkeys(paths, "")
    result = subprocess.run([sidecard, "--check", *paths], stdout=subprocess.PIPE, check=False)
    assert result.returncode in (0, 1), result.returncode
    for line in result.stdout.decode().splitlines():
        path, message = line.split(".json:", 1)
        said[path + ".json"] = message.strip()
    assert (result.returncode == 0) == (not any(said.values()))
    return said


def judge(document, said, validator):
    """What is wrong with what the two say; or None."""
    if document is None:
        return None if said else "no JSON, and the validator takes it"
    errors = [error.message for error in validator.iter_errors(document)]
    if errors and not said:
        return "the schema refuses it (%s), the validator does not" % errors[0]
    if not errors and said and not any(re.search(rule, said) for rule in STRICTER + STRICTER_TEXT):
        return "the validator refuses it (%s), the schema does not" % said
    return None


def main():
    sidecard, source = sys.argv[1:3]
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.SystemRandom().randrange(2**32)
    print("seed", seed)

    with open(os.path.join(source, "docs/app-1.schema.json"), encoding="utf-8") as file:
        schema = json.load(file)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    corpus = os.path.join(source, "tests/manifests")
    good = [os.path.join(corpus, "good", name) for name in sorted(os.listdir(corpus + "/good"))]
    bad = [os.path.join(corpus, "bad", name, "org.example.App.json")
           for name in sorted(os.listdir(corpus + "/bad"))]
    wrong = taken = refused = 0

    with tempfile.TemporaryDirectory() as folder:
        mutations = list(make_mutations(good, folder, sorted(keys_of(schema)),
                                        random.Random(seed)))
        said = {**ask(sidecard, good + bad), **ask(sidecard, mutations)}
        for path, message in said.items():
            document = load(path)
            problem = judge(document, message, validator)
            taken += not message
            refused += bool(message)
            if problem:
                wrong += 1
                print("%s: %s" % (path, problem))
                if path in mutations:
                    print(json.dumps(document))

    print("%d taken, %d refused, %d disagreements" % (taken, refused, wrong))
    # Were all of them wrong or all right, nothing would have been compared.
    return 1 if wrong or taken < 40 or refused < 300 else 0


sys.exit(main())
