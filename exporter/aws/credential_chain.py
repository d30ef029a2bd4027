"""botocore's chain of credential providers, in which each failure is an ApiError that names the source and the cure.

botocore raises a different exception for each provider and fault, many of them without words. Some contain the output
of a program or the response of a service. A provider can also ask for a code, hang, or read without end.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from botocore.credentials import (
    AssumeRoleProvider,
    AssumeRoleWithWebIdentityProvider,
    CanonicalNameCredentialSourcer,
    ContainerProvider,
    CredentialProvider,
    CredentialResolver,
    Credentials,
    EnvProvider,
    InstanceMetadataProvider,
    ProcessProvider,
    ProfileProviderBuilder,
    ReadOnlyCredentials,
    create_credential_resolver,
)
from botocore.exceptions import (
    ConnectionClosedError,
    InvalidConfigError,
    MetadataRetrievalError,
    ReadTimeoutError,
)
from botocore.httpsession import URLLib3Session
from botocore.session import Session
from botocore.utils import ContainerMetadataFetcher, create_nested_client
from urllib3.exceptions import HTTPError
from urllib3.exceptions import ReadTimeoutError as BodyTimeoutError

from exporter.aws.causes import unreadable_files
from exporter.aws.credential_process import ProcessFactory
from exporter.aws.credential_sources import KEPT_REASONS, NOTHING_CURE, NamedSource, named_source
from exporter.aws.errors import EXPIRED, translate
from exporter.core.errors import ApiError, CredentialsError, Reason
from exporter.core.log import shortened

# A program that gets credentials is killed after this time. Its refresh gives up earlier, at the deadline of calls.
PROCESS_SECONDS = 60.0
# Characters of a token. STS accepts web identity tokens of up to 20,000.
MAX_TOKEN_LENGTH = 20_000
# Bytes of a response with credentials of a container or an instance.
MAX_RESPONSE_BYTES = 64 * 1024
# The members of a response without which there are no credentials.
_MEMBERS = frozenset({"AccessKeyId", "Credentials", "Expiration", "SecretAccessKey", "Token", "roleCredentials"})
# The file of a cached token is named by a hash.
_CACHE_KEY = re.compile(r"[0-9a-f]{40,64}")
# Access keys, secret keys and session tokens are parts of HTTP headers.
_HEADER_TEXT = re.compile(r"[!-~]+")
# An AWS code, or a code of an error without a response, is kept. These codes only repeat a reason.
_REPEATED_CODES = frozenset({Reason.CREDENTIALS.value, Reason.MALFORMED.value, Reason.OTHER.value})


class Pending:
    """The sources that are being read now: if a call hangs, they are the cause."""

    def __init__(self) -> None:
        self._sources: list[NamedSource] = []

    @contextmanager
    def reading(self, source: NamedSource) -> Iterator[None]:
        """Note a source while the block reads it, and translate its exceptions."""
        self._sources.append(source)
        try:
            yield
        except CredentialsError:
            # It already names a source, for example that of a role.
            raise
        except Exception as error:
            raise credential_error(source, error) from None
        finally:
            self._sources.remove(source)

    def timeout_error(self) -> CredentialsError | None:
        """Return the error for a call that hangs because of a source, or None if no source is being read."""
        # A source of a source is added later.
        latest = self._sources[-1:]
        return latest[0].error("no response before the time-out", Reason.TIMEOUT) if latest else None


def credential_error(source: NamedSource, error: Exception) -> CredentialsError:
    """Return the error for an exception of a source."""
    translated = translate(error)
    reason = translated.reason if translated.reason in KEPT_REASONS else Reason.CREDENTIALS
    code = "" if translated.code in _REPEATED_CODES else translated.code
    return source.error(_words(error, translated), code, reason)


def _words(error: Exception, translated: ApiError) -> str:
    if isinstance(error, ApiError):
        return error.detail
    if type(error) is InvalidConfigError:
        # botocore has only a text for this. It names profiles and keys; it has values in parentheses.
        text = " ".join(str(error.kwargs["error_msg"]).split())
        if "AWS_ROLE_ARN" in text:
            return "there is no role; set AWS_ROLE_ARN, or role_arn in the profile"
        return shortened(re.sub(r" \([^)]*\)", "", text).rstrip("."), 300)
    if isinstance(error, KeyError) and error.args and error.args[0] in _MEMBERS:
        return f"{error.args[0]} is missing"
    if isinstance(error, KeyError) and error.args and _CACHE_KEY.fullmatch(str(error.args[0])):
        return "the cached token cannot be read"
    if isinstance(error, OSError) and isinstance(error.filename, str):
        return f"{shortened(error.filename)}: {translated.detail}"
    if translated.detail == EXPIRED:
        return "the credentials have expired, or the system clock is wrong"
    return "a response or a file is malformed" if translated.reason is Reason.MALFORMED else translated.detail


class CredentialChain:
    """The component ``credential_provider`` of a botocore session. Its providers are created when it is first used."""

    def __init__(self, session: Session, pending: Pending) -> None:
        self._session = session
        self._pending = pending

    def load_credentials(self) -> Credentials:
        """Return the credentials of the first provider that has some. Raises ApiError."""
        profile = str(self._session.profile or "default")
        try:
            providers = _Providers(self._session, self._pending)
            found: Credentials | None = providers.chain(profile).load_credentials()
        except Exception as error:
            raise translate(error) from None
        if found is None:
            raise _nothing_found(profile, providers.metadata_failure)
        return found


def _nothing_found(profile: str, metadata_failure: str) -> CredentialsError:
    places = f"the environment, profile {shortened(profile)} and the container have none"
    is_disabled = os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true"
    metadata = "switched off" if is_disabled else metadata_failure
    detail = "; ".join([f"no credentials: {places}; instance metadata (IMDS): {metadata}", *unreadable_files()])
    return CredentialsError(Reason.CREDENTIALS, detail=shortened(f"{detail}; {NOTHING_CURE}", 600))


class _Providers(ProfileProviderBuilder):
    """Builds the providers of a session and of its profiles, each with a name and limits."""

    def __init__(self, session: Session, pending: Pending) -> None:
        super().__init__(session, cache={})
        self._owner = session
        self._pending = pending
        self._metadata: _RecordingSession | None = None

    @property
    def metadata_failure(self) -> str:
        """Why the instance metadata has no credentials."""
        return self._metadata.failure.detail if self._metadata and self._metadata.failure else "no role"

    def chain(self, profile: str) -> CredentialResolver:
        """Return botocore's chain for the session."""
        providers = create_credential_resolver(self._owner).providers
        named = {type(provider): self._named(provider, profile) for provider in providers}
        sources: list[CredentialProvider] = [
            named[kind] for kind in (EnvProvider, ContainerProvider, InstanceMetadataProvider) if kind in named
        ]
        named[AssumeRoleProvider] = self._roles(profile, sources)
        return CredentialResolver(list(named.values()))

    def providers(self, profile_name: str, disable_env_vars: bool = False) -> list[CredentialProvider]:
        """Return the providers of a profile that is the source of a role."""
        providers = super().providers(profile_name, disable_env_vars)
        return [self._named(provider, profile_name, disable_env_vars) for provider in providers]

    def _named(self, provider: CredentialProvider, profile: str, without_environment: bool = False) -> NamedProvider:
        source = named_source(str(provider.METHOD), profile)
        if isinstance(provider, ProcessProvider):
            popen: Any = ProcessFactory(source.error, PROCESS_SECONDS)
            provider = ProcessProvider(profile, self._full_config, popen)
        elif isinstance(provider, AssumeRoleWithWebIdentityProvider):
            provider = self._web_identity(source, without_environment)
        elif isinstance(provider, ContainerProvider):
            names = (ContainerProvider.ENV_VAR, ContainerProvider.ENV_VAR_FULL)
            urls = {name: os.environ[name] for name in names if name in os.environ}
            fetcher: Any = _ContainerFetcher(source)
            provider = ContainerProvider(urls, fetcher)
        elif isinstance(provider, InstanceMetadataProvider):
            self._metadata = _record_responses(provider)
        return NamedProvider(provider, source, self._pending)

    def _full_config(self) -> Mapping[str, Any]:
        return self._owner.full_config

    def _web_identity(self, source: NamedSource, without_environment: bool) -> CredentialProvider:
        loader: Any = partial(_TokenFile, source)
        return AssumeRoleWithWebIdentityProvider(
            load_config=self._full_config,
            client_creator=partial(create_nested_client, self._owner),
            profile_name=source.profile,
            cache={},
            disable_env_vars=without_environment,
            token_loader_cls=loader,
        )

    def _roles(self, profile: str, sources: list[CredentialProvider]) -> NamedProvider:
        source = named_source(AssumeRoleProvider.METHOD, profile)
        roles = AssumeRoleProvider(
            load_config=self._full_config,
            client_creator=partial(create_nested_client, self._owner),
            cache={},
            profile_name=profile,
            prompter=partial(_refuse_to_prompt, profile),
            credential_sourcer=CanonicalNameCredentialSourcer(sources),
            profile_provider_builder=self,
        )
        return NamedProvider(roles, source, self._pending)


def _refuse_to_prompt(profile: str, prompt: str) -> NoReturn:
    cause = "mfa_serial requires a code, which the exporter never asks for; use a role without MFA"
    raise CredentialsError(
        Reason.CREDENTIALS, detail=f"no credentials from the role of profile {shortened(profile)}: {cause}"
    )


class NamedProvider(CredentialProvider):
    """A provider whose failures, and those of its credentials, name its source."""

    def __init__(self, provider: CredentialProvider, source: NamedSource, pending: Pending) -> None:
        self.METHOD = provider.METHOD
        self.CANONICAL_NAME = provider.CANONICAL_NAME
        self._provider = provider
        self._source = source
        self._pending = pending

    def load(self) -> Credentials | None:
        """Return the credentials, or None if the source is not configured. Raises ApiError."""
        with self._pending.reading(self._source):
            found = self._provider.load()
        return NamedCredentials(found, self._source, self._pending) if found else None


class NamedCredentials(Credentials):
    """Credentials of a source. botocore renews them if necessary, and uses them only in the frozen form."""

    def __init__(self, credentials: Credentials, source: NamedSource, pending: Pending) -> None:
        self._credentials = credentials
        self._source = source
        self._pending = pending

    def __getattr__(self, name: str) -> Any:
        return getattr(self._credentials, name)

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Return the keys, which may be new. Raises ApiError."""
        with self._pending.reading(self._source):
            frozen: ReadOnlyCredentials = self._credentials.get_frozen_credentials()
            keys = {"the access key": frozen.access_key, "the secret key": frozen.secret_key}
            token = {"the session token": frozen.token} if frozen.token else {}
            for name, key in {**keys, **token}.items():
                _check_text(self._source, name, key)
        return frozen


def _check_text(source: NamedSource, name: str, text: object) -> None:
    """Raise ApiError for a text that cannot be a part of an HTTP header."""
    if not isinstance(text, str) or not text:
        raise source.error(f"{name} is empty")
    if not _HEADER_TEXT.fullmatch(text):
        raise source.error(f"{name} contains a space, a line break or a character that is not ASCII")


class _TokenFile:
    """A token in a file, which is read again for each session."""

    def __init__(self, source: NamedSource, path: str) -> None:
        self._source = source
        self._path = path

    def __call__(self) -> str:
        """Return the token. Raises OSError, or ApiError for a file that cannot be a token."""
        name = shortened(self._path)
        if not stat.S_ISREG(Path(self._path).stat().st_mode):
            raise self._source.error(f"{name} is not a file")
        try:
            with Path(self._path).open(encoding="utf-8") as file:
                token = file.read(MAX_TOKEN_LENGTH + 1)
        except UnicodeDecodeError:
            raise self._source.error(f"{name} is not a text") from None
        if len(token) > MAX_TOKEN_LENGTH:
            raise self._source.error(f"{name} has more than {MAX_TOKEN_LENGTH} characters")
        if not token.strip():
            raise self._source.error(f"{name} is empty")
        return token


class _RecordingSession:
    """An HTTP session of botocore that limits responses, and keeps why its last one has no credentials."""

    def __init__(self, session: Any) -> None:
        self.failure: ApiError | None = None
        self._session = session

    def send(self, request: Any) -> Any:
        """Return the response to a request. Raises what the session raises."""
        # The session would read a response of any size.
        request.stream_output = True
        try:
            response = self._session.send(request)
            content = _limited_content(response, request.url)
        except Exception as error:
            self.failure = translate(error)
            raise
        is_too_large = len(content) > MAX_RESPONSE_BYTES
        vars(response)["_content"] = b"" if is_too_large else content
        if is_too_large:
            size = f"the response is larger than {MAX_RESPONSE_BYTES // 1024} KiB"
            self.failure = ApiError(Reason.CREDENTIALS, detail=size)
            return response
        status = response.status_code
        cause = "the response contains no credentials" if status == 200 else f"the response has status {status}"
        self.failure = ApiError(Reason.CREDENTIALS, detail=cause)
        return response


def _limited_content(response: Any, url: str) -> bytes:
    """Return at most one byte more than the limit. Raises botocore's exceptions, as its session does."""
    try:
        return bytes(response.raw.read(MAX_RESPONSE_BYTES + 1, decode_content=True))
    except BodyTimeoutError as error:
        raise ReadTimeoutError(endpoint_url=url, error=error) from error
    except HTTPError as error:
        raise ConnectionClosedError(endpoint_url=url, error=error) from error
    finally:
        response.raw.close()


def _record_responses(provider: InstanceMetadataProvider) -> _RecordingSession:
    """Record the responses of the instance metadata: botocore drops them, and has no parameter for its session."""
    fetcher = vars(provider)["_role_fetcher"]
    recorder = vars(fetcher)["_session"] = _RecordingSession(vars(fetcher)["_session"])
    return recorder


class _ContainerFetcher(ContainerMetadataFetcher):
    """Gets the credentials of a container, and names the cause if there are none."""

    def __init__(self, source: NamedSource) -> None:
        self._source = source
        self._recorder = _RecordingSession(URLLib3Session(timeout=self.TIMEOUT_SECONDS))
        super().__init__(session=self._recorder)

    def retrieve_full_uri(self, full_url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return the response. Raises ApiError."""
        token = self._token()
        try:
            response = super().retrieve_full_uri(full_url, {"Authorization": token} if token else None)
        except MetadataRetrievalError:
            failure = self._recorder.failure or ApiError(Reason.CREDENTIALS, detail="no response")
            code = "" if failure.code in _REPEATED_CODES else failure.code
            raise self._source.error(failure.detail, code) from None
        except UnicodeDecodeError:
            raise self._source.error("the response is not a text") from None
        except ValueError:
            name = ContainerProvider.ENV_VAR_FULL
            raise self._source.error(f"{name}: expected https, a loopback address or the address of an agent") from None
        if not isinstance(response, dict):
            raise self._source.error("the response is not a JSON object")
        return response

    def _token(self) -> str:
        file = os.environ.get(ContainerProvider.ENV_VAR_AUTH_TOKEN_FILE)
        token = os.environ.get(ContainerProvider.ENV_VAR_AUTH_TOKEN, "")
        if file is not None:
            token = _TokenFile(self._source, file)()
        if token:
            name = shortened(file) if file is not None else ContainerProvider.ENV_VAR_AUTH_TOKEN
            _check_text(self._source, name, token)
        return token
