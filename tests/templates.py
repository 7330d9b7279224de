"""CloudFormation templates as the tests read them, parameters filled in.

What CloudFormation makes has plain stand-ins: a bucket's name and ARN are real, of any
other resource both are its name in the template.
"""

import fnmatch
import json
import re
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

INFRA = Path(__file__).parents[1] / "infra"
FOLDER = INFRA / "cloudformation"
ACCOUNT, REGION = "123456789012", "us-east-1"
PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Region": REGION,
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": "flowlake",
}
NO_VALUE = {"Ref": "AWS::NoValue"}
MARKED = re.compile(r"\$\{([^!}][^}]*)\}")


@dataclass(frozen=True)
class Job:
    """One command that the template runs, and as whom."""

    role: str
    command: tuple[str, ...]
    environment: dict[str, str]
    secrets: frozenset[str]


@dataclass(frozen=True)
class Grant:
    """One action that a role is allowed, on one resource."""

    role: str
    action: str
    resource: str
    prefixes: tuple[str, ...] = ()


@cache
def _read(name):
    """Return a template as JSON."""
    from cfnlint.decode.cfn_yaml import load  # 0.5 s, for who only collects tests

    return json.dumps(load(str(FOLDER / name)))


class Template:
    """A template with its parameters' values; those left out have their defaults."""

    def __init__(self, name, **parameters):
        self.raw = json.loads(_read(name))
        told = self.raw["Parameters"].items()
        given = {key: told["Default"] for key, told in told if "Default" in told}
        self.parameters = {**PSEUDO, **given, **parameters}

    @cached_property
    def resources(self):
        """What is made with these parameters, values in place of references."""
        return {
            name: self.value(told)
            for name, told in self.raw["Resources"].items()
            if self._holds(told.get("Condition"))
        }

    def of_type(self, kind):
        return {
            k: r.get("Properties", {})
            for k, r in self.resources.items()
            if r["Type"] == kind
        }

    def value(self, given):
        """Return a piece of the template without references."""
        if isinstance(given, list):
            values = [self.value(item) for item in given]
            return [item for item in values if item != NO_VALUE]
        if not isinstance(given, dict):
            return given
        if len(given) == 1:
            [(function, argument)] = given.items()
            if function == "Ref":
                return NO_VALUE if argument == "AWS::NoValue" else self._ref(argument)
            if function == "Fn::GetAtt":
                return self._attribute(*argument)
            if function == "Fn::Sub":
                return MARKED.sub(lambda found: self._marked(found[1]), argument)
            if function == "Fn::If":
                name, then, other = argument
                return self.value(then if self._holds(name) else other)
        return {key: self.value(item) for key, item in given.items()}

    def jobs(self):
        """Yield what runs: tasks as they are, and as schedules run them."""
        commands = {
            name: {tuple(task["ContainerDefinitions"][0]["Command"])}
            for name, task in self.of_type("AWS::ECS::TaskDefinition").items()
        }
        for schedule in self.of_type("AWS::Scheduler::Schedule").values():
            if "Input" in schedule["Target"]:
                [told] = json.loads(schedule["Target"]["Input"])["containerOverrides"]
                task = schedule["Target"]["EcsParameters"]["TaskDefinitionArn"]
                commands[task].add(tuple(told["command"]))
        for name, task in self.of_type("AWS::ECS::TaskDefinition").items():
            [container] = task["ContainerDefinitions"]
            environment = {e["Name"]: e["Value"] for e in container["Environment"]}
            secrets = frozenset(s["Name"] for s in container.get("Secrets", ()))
            for command in sorted(commands[name]):
                yield Job(task["TaskRoleArn"], command, environment, secrets)

    def grants(self):
        """Yield what the policies of the template's roles allow."""
        for role, told in self.of_type("AWS::IAM::Role").items():
            for policy in told.get("Policies", ()):
                yield from _granted(role, policy["PolicyDocument"])
        for policy in self.of_type("AWS::IAM::ManagedPolicy").values():
            for role in policy["Roles"]:
                yield from _granted(role, policy["PolicyDocument"])

    def _holds(self, condition):
        if condition is None:
            return True
        if isinstance(condition, str):
            condition = self.raw["Conditions"][condition]
        [(function, arguments)] = condition.items()
        if function == "Fn::Equals":
            first, second = map(self.value, arguments)
            return first == second
        held = [self._holds(argument) for argument in _listed(arguments)]
        return {"Fn::Not": not held[0], "Fn::And": all(held), "Condition": held[0]}[
            function
        ]

    def _ref(self, name):
        if name in self.parameters:
            return self.parameters[name]
        told = self.raw["Resources"][name]
        named = told.get("Properties", {}).get("BucketName")
        return self.value(named) if named else name

    def _attribute(self, name, attribute):
        told = self.raw["Resources"][name]
        if told["Type"] == "AWS::S3::Bucket" and attribute == "Arn":
            return f"arn:aws:s3:::{self._ref(name)}"
        return name

    def _marked(self, name):
        return str(
            self._attribute(*name.split(".")) if "." in name else self._ref(name)
        )


def _listed(value):
    return value if isinstance(value, list) else [value]


def _granted(role, document):
    for statement in document["Statement"]:
        assert statement["Effect"] == "Allow"
        condition = statement.get("Condition", {}).get("StringLike", {})
        prefixes = tuple(_listed(condition.get("s3:prefix", [])))
        for action in _listed(statement["Action"]):
            for resource in _listed(statement["Resource"]):
                yield Grant(role, action, resource, prefixes)


def allows(grant, asked):
    """Whether a grant covers what was asked of AWS."""
    if (grant.role, grant.action) != (asked.who, asked.action):
        return False
    if grant.resource == "*":
        return True
    place, _, prefix = asked.resource.partition("?")
    if grant.prefixes:
        like = any(fnmatch.fnmatchcase(prefix, pattern) for pattern in grant.prefixes)
        return like and grant.resource == arn_of(asked, place)
    return fnmatch.fnmatchcase(arn_of(asked, place), grant.resource)


def arn_of(asked, place):
    """Return the ARN of what was asked for."""
    service = asked.action.partition(":")[0]
    if service == "s3":
        return f"arn:aws:s3:::{place}"
    if service == "glue" and asked.action != "glue:GetDatabase":
        return f"arn:aws:glue:{REGION}:{ACCOUNT}:table/{place}"
    kind = "database/" if service == "glue" else ""
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{kind}{place.strip('/')}"
