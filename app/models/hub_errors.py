"""From what goes wrong between here and the hub to one sentence for the user, and to whether waiting may help."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from s3d_core.errors import ModelError


class HubError(ModelError):
    """The hub will not give this; asking again changes nothing."""


class TokenNeededError(HubError):
    """The repo is gated or private.

    Attributes:
        page: where its terms can be accepted.
    """

    def __init__(self, sentence: str, page: str):
        super().__init__(sentence)
        self.page = page


class TransientError(ModelError):
    """Something that may pass.

    Attributes:
        wait: seconds the hub asks to wait, or None.
    """

    def __init__(self, sentence: str, wait: float | None = None):
        super().__init__(sentence)
        self.wait = wait


@contextmanager
def translated(repo: str, host: str, endpoint: str) -> Iterator[None]:
    """Errors of the hub's client and of the network below it come out as the errors of this module."""
    import httpx2
    from huggingface_hub import errors

    try:
        yield
    except errors.OfflineModeIsEnabled as error:
        raise HubError("Offline mode is on (HF_HUB_OFFLINE), so nothing is fetched: unset it and try again.") from error
    except errors.HFValidationError as error:
        raise HubError(f"{repo!r} is no name of a model on a hub: give it as owner/name.") from error
    except (errors.HfHubHTTPError, httpx2.HTTPStatusError) as error:
        raise _by_status(error, repo, host, f"{endpoint}/{repo}") from error
    except httpx2.InvalidURL as error:
        raise HubError(f"{endpoint!r} is not the address of a hub: mend or unset HF_ENDPOINT.") from error
    except httpx2.HTTPError as error:
        raise by_connection(error, host) from error


def _by_status(error, repo: str, host: str, page: str) -> ModelError:
    from huggingface_hub import errors

    status = error.response.status_code
    asked = "authorization" in error.response.request.headers
    if isinstance(error, errors.GatedRepoError):
        if asked:
            return TokenNeededError(
                f"{repo} is gated and your token has no access to it yet: accept its terms at {page}, then try again.",
                page,
            )
        return TokenNeededError(f"{repo} is gated: accept its terms at {page}, then give your access token.", page)
    if isinstance(error, errors.RevisionNotFoundError):
        return HubError(f"{repo} has no such revision; leave it out to get the newest.")
    if isinstance(error, errors.RepositoryNotFoundError):
        return TokenNeededError(
            f"There is no model {repo} on {host}, or it is private: check the name, or give an access token.", page
        )
    if status in (401, 403):
        return TokenNeededError(f"{host} refuses access to {repo}: check your access token.", page)
    if status == 404:
        return HubError(f"A file of {repo} is no longer on {host}; start its download anew.")
    if status == 429:
        return TransientError(f"{host} asks to wait because of too many requests.", _retry_after(error.response))
    if status in (408, 425) or status >= 500:
        return TransientError(f"{host} cannot answer now (HTTP {status}).", _retry_after(error.response))
    return HubError(f"{host} refuses the request for {repo} (HTTP {status}).")


def by_connection(error: Exception, host: str) -> ModelError:
    """What to say of an error of the network on the way to `host`."""
    import httpx2

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return HubError(
                f"{host} could not prove who it is ({cause.verify_message}), so nothing was fetched: "
                "check the computer's clock, and the certificates if a proxy is in between."
            )
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, (httpx2.UnsupportedProtocol, httpx2.TooManyRedirects)):
        return HubError(f"{host} is not a hub that can be talked to: check HF_ENDPOINT and the proxy settings.")
    if isinstance(error, httpx2.ProxyError):
        return TransientError(f"The proxy on the way to {host} does not work: check HTTPS_PROXY.")
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        return TransientError(f"{host} cannot be reached: check the network.")
    return TransientError(f"The connection to {host} broke.")


def _retry_after(response) -> float | None:
    """Seconds; dates, which hubs do not send, count as not said."""
    said = response.headers.get("retry-after", "").strip()
    return float(said) if said.isdigit() else None
