"""Compares what Apus allows with what `re` and `jsonschema` say: python3 check_constraints.py CASES.json

A regular expression must agree on every text. A schema may be narrower here (the order of properties, no further ones),
never wider."""

import json
import re
import sys

import jsonschema

wrong = 0
for case in json.load(open(sys.argv[1])):
    text, ours = case["text"], case["ours"]
    if case["kind"] == "regex":
        theirs = re.fullmatch(case["source"], text, re.ASCII) is not None
        agrees = ours == theirs
    else:
        try:
            jsonschema.Draft202012Validator(
                json.loads(case["source"]), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
            ).validate(json.loads(text))
            theirs = True
        except (json.JSONDecodeError, jsonschema.ValidationError):
            theirs = False
        agrees = theirs or not ours
    if not agrees:
        wrong += 1
        print(f"{case['source']}: {text!r} is {ours} here, {theirs} there")
sys.exit(1 if wrong else 0)
