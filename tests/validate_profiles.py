"""Says of each YAML file whether a JSON Schema accepts it: validate_profiles.py SCHEMA FILE...

Prints one line a file: "FILE: valid", or "FILE: " and the first thing that is wrong.
"""
import json
import sys

import jsonschema
import yaml


class Loader(yaml.SafeLoader):
    """YAML 1.2's scalars, which editors read: a timestamp is a text."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}

with open(sys.argv[1], encoding="utf-8") as file:
    schema = json.load(file)
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
for name in sys.argv[2:]:
    with open(name, encoding="utf-8") as file:
        error = jsonschema.exceptions.best_match(validator.iter_errors(yaml.load(file, Loader)))
    print(f"{name}: {'valid' if error is None else error.json_path + ' ' + error.message}")
