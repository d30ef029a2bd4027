"""The sources of credentials: their names in sentences, their settings, and what to do if one fails.

docs/aws-permissions.md contains this table.
"""

from dataclasses import dataclass

from exporter.core.errors import CredentialsError, Reason
from exporter.core.log import shortened

# If AWS itself returns one of these, the credentials are not the cause.
KEPT_REASONS = frozenset({Reason.ACCESS_DENIED, Reason.THROTTLED, Reason.SERVER_ERROR})
# What to do if no source is configured.
NOTHING_CURE = "configure a source of credentials"
# The longest sentence about credentials, in characters.
LENGTH = 600


@dataclass(frozen=True, slots=True)
class Source:
    """A source of credentials. ``method`` is that of botocore's provider, ``settings`` are where users configure it.

    ``{profile}`` in ``name`` and in ``cure`` is the name of the profile.
    """

    method: str
    name: str
    settings: str
    cure: str


ACCOUNT_ROLE = Source(
    "account-role",
    "the role of account {profile}",
    "`role_arn` and `external_id` of an account",
    "the exporter needs sts:AssumeRole, and the role's trust policy must allow the exporter and its external_id",
)
PROVIDERS = (
    Source(
        "env",
        "the environment",
        "`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`",
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY without spaces and line breaks, or unset both",
    ),
    Source(
        "assume-role",
        "the role of profile {profile}",
        "`role_arn` with `source_profile` or `credential_source` in a profile",
        "correct role_arn, external_id, source_profile and credential_source; the trust policy must allow the source",
    ),
    Source(
        "assume-role-with-web-identity",
        "the web identity (IRSA)",
        "`AWS_WEB_IDENTITY_TOKEN_FILE` and `AWS_ROLE_ARN`, or the same in a profile",
        "check the annotation of the service account, the OIDC provider in IAM and the role's trust policy",
    ),
    Source(
        "sso",
        "IAM Identity Center of profile {profile}",
        "`sso_session`, or `sso_start_url`, in a profile",
        "run aws sso login --profile {profile} as the exporter's user; the user needs the account and the role",
    ),
    Source(
        "shared-credentials-file",
        "the credentials file, profile {profile}",
        "`aws_access_key_id` in a profile of the credentials file",
        "correct the keys of the profile",
    ),
    Source(
        "login",
        "the login of profile {profile}",
        "`login_session` in a profile",
        "run aws login --profile {profile} as the exporter's user; the Python package awscrt must be installed",
    ),
    Source(
        "custom-process",
        "credential_process of profile {profile}",
        "`credential_process` in a profile",
        "run the command as the exporter's user; it must print credentials as JSON and end at once",
    ),
    Source(
        "config-file",
        "the configuration file, profile {profile}",
        "`aws_access_key_id` in a profile of the configuration file",
        "correct the keys of the profile",
    ),
    Source(
        "ec2-credentials-file",
        "the file in AWS_CREDENTIAL_FILE",
        "`AWS_CREDENTIAL_FILE`",
        "correct the file, or unset AWS_CREDENTIAL_FILE",
    ),
    Source("boto-config", "the file of boto 2", "`BOTO_CONFIG`, `~/.boto`, `/etc/boto.cfg`", "remove the file"),
    Source(
        "container-role",
        "the container",
        "`AWS_CONTAINER_CREDENTIALS_FULL_URI` (EKS Pod Identity) or `..._RELATIVE_URI` (ECS)",
        "check the EKS Pod Identity Agent and the association of the service account, or the role of the ECS task",
    ),
    Source(
        "iam-role",
        "the instance metadata (IMDS)",
        "the role of an EC2 instance",
        "attach a role to the instance; a container needs a hop limit of 2",
    ),
)
SOURCES = {source.method: source for source in (ACCOUNT_ROLE, *PROVIDERS)}


@dataclass(frozen=True, slots=True)
class NamedSource:
    """A source of credentials with the name of its profile, or of its account."""

    source: Source
    profile: str

    def error(self, cause: str, code: str = "", reason: Reason = Reason.CREDENTIALS) -> CredentialsError:
        """Return the error for a failure of the source: what cannot be read, why, and what to do."""
        name, cure = (text.format(profile=shortened(self.profile)) for text in (self.source.name, self.source.cure))
        return CredentialsError(reason, code, shortened(f"no credentials from {name}: {cause}; {cure}", LENGTH))


def named_source(method: str, profile: str) -> NamedSource:
    """Return the source of a method of botocore. A method that is newer than this table gets a general cure."""
    unknown = Source(method, f"the source {method}", "", "check the documentation of the AWS SDK")
    return NamedSource(SOURCES.get(method, unknown), profile)


def sources_table() -> str:
    """Return the table of docs/aws-permissions.md."""
    shown = (*PROVIDERS, ACCOUNT_ROLE)
    rows = (f"| {_plain(source.name)} | {source.settings} | {_plain(source.cure)} |" for source in shown)
    none = f"| no credentials | nothing: each source is absent | {NOTHING_CURE} |"
    return "\n".join(("| no credentials from | set by | what to do |", "| --- | --- | --- |", *rows, none))


def _plain(text: str) -> str:
    return text.replace("{profile}", "NAME")
