"""schema.py SCHEMA good|bad SUITE... - does a validator that is not ours agree about these suites?"""
import json
import sys

import jsonschema
import yaml


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        schema = json.load(f)
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    failed = False
    for path in sys.argv[3:]:
        with open(path, encoding="utf-8") as f:
            errors = list(validator.iter_errors(yaml.safe_load(f)))
        if bool(errors) == (sys.argv[2] == "good"):
            failed = True
            print(f"{path}: {'refused' if errors else 'accepted'}")
            for e in errors[:5]:
                print("   ", "/".join(map(str, e.path)), e.message[:300])
    sys.exit(failed)


main()
