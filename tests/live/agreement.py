"""agreement.py DIR EXIT_CODE - do all reports of a run agree with its exit code?

Also holds what is promised of every run: result.json fits its schema, the strict JUnit document has at
least one test case, names in a suite are unique.
"""
import json
import pathlib
import sys
import xml.etree.ElementTree as xml

import jsonschema

VERDICTS = {0: "pass", 1: "breach", 3: "inconclusive"}
HEADLINES = {0: "PASS: ", 1: "BREACH: ", 3: "INCONCLUSIVE: "}


def complain(text):
    print(text)
    sys.exit(1)


def junit_code(root):
    """The exit code that a reader of junit.xml would conclude."""
    cases = root.findall(".//testcase")
    if not cases:
        complain("junit.xml: no test case")
    for suite in root.iter("testsuite"):
        names = [case.get("name") for case in suite.findall("testcase")]
        if len(names) != len(set(names)):
            complain(f"junit.xml: repeated names in {suite.get('name')}: {names}")
        for kind, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            if suite.get(kind) and int(suite.get(kind)) != len(suite.findall(f"testcase/{tag}")):
                complain(f"junit.xml: {suite.get('name')}: {kind}={suite.get(kind)} is not the count")
    if root.findall(".//testcase/failure"):
        return 1
    return 3 if root.findall(".//testcase/error") else 0


def check_statuses(step):
    """By part they add up to all of them, and there are no more than answers to the operations."""
    parts = step["status_codes_by_part"]
    total = {}
    for codes in parts.values():
        for code, count in codes.items():
            total[code] = total.get(code, 0) + count
    if parts and total != step["status_codes"]:
        complain(f"step {step['name']}: status codes {step['status_codes']}, but by part {parts}")
    if step["driver"] == "http" and sum(step["status_codes"].values()) < step["ok"]:
        complain(f"step {step['name']}: {step['ok']} succeeded, but {step['status_codes']} were answered")


def main():
    folder, code = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    result = json.loads((folder / "result.json").read_text())
    schema = json.loads(pathlib.Path("docs/result.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.Draft7Validator(schema).validate(result)

    if result["exit_code"] != code:
        complain(f"result.json: exit_code {result['exit_code']}, not {code}")
    if result["verdict"] != VERDICTS[code]:
        complain(f"result.json: verdict {result['verdict']}, not {VERDICTS[code]}")
    for phase in result["phases"]:
        for step in phase["steps"]:
            check_statuses(step)
    concluded = junit_code(xml.parse(folder / "junit.xml").getroot())
    if concluded != code:
        complain(f"junit.xml reads like exit code {concluded}, not {code}")
    summary = (folder / "summary.txt").read_text()
    if HEADLINES[code] not in summary:
        complain(f"summary.txt does not say \"{HEADLINES[code]}\"")
    if list(folder.glob("**/*.tmp*")):
        complain("a temporary file was left in the results")


main()
