"""The hub of the tests speaks as the real client expects."""

import time

import pytest
from hub.fixtures import NAME
from hub.server import Fault
from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_download, hf_hub_url
from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError


def test_the_client_lists_a_repo_with_its_digests(hub):
    api = HfApi(endpoint=hub.address)
    info = api.model_info(NAME, files_metadata=True)
    repo = hub.repos[NAME]
    assert info.sha == repo.commit
    assert {entry.rfilename: entry.size for entry in info.siblings} == {p: len(b) for p, b in repo.files.items()}
    tree = {entry.path: entry for entry in api.list_repo_tree(NAME, recursive=True)}
    for entry in info.siblings:
        assert tree[entry.rfilename].blob_id == entry.blob_id
        assert (entry.lfs is None) == (tree[entry.rfilename].lfs is None)
        if entry.lfs:
            assert entry.lfs.sha256 == tree[entry.rfilename].lfs.sha256


@pytest.mark.parametrize("path", ["config.json", "model-00001-of-00002.safetensors"])
def test_the_client_downloads_a_file_of_each_kind(hub, tmp_path, path):
    assert get_hf_file_metadata(hf_hub_url(NAME, path, endpoint=hub.address)).size == len(hub.repos[NAME].files[path])
    got = hf_hub_download(NAME, path, endpoint=hub.address, cache_dir=tmp_path)
    with open(got, "rb") as file:  # noqa: PTH123
        assert file.read() == hub.repos[NAME].files[path]
    assert hub.sent[path] == len(hub.repos[NAME].files[path])


def test_the_client_understands_what_is_refused(hub):
    hub.repos["someone/Gated"] = type(hub.repos[NAME])({"config.json": b"{}"}, gated=True, allowed=("hf_right",))
    api = HfApi(endpoint=hub.address)
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("someone/Nothing")
    with pytest.raises(GatedRepoError):
        api.model_info("someone/Gated")
    with pytest.raises(GatedRepoError):
        api.model_info("someone/Gated", token="hf_wrong")
    assert api.model_info("someone/Gated", token="hf_right").gated == "manual"
    with pytest.raises(RevisionNotFoundError):
        api.model_info(NAME, revision="v9")
    with pytest.raises(EntryNotFoundError):
        get_hf_file_metadata(hf_hub_url(NAME, "nothing.json", endpoint=hub.address))


def test_the_clients_own_resuming_holds_its_contract(hub, tmp_path):
    """Not what downloads use, but what they would fall back on; it says when the library changes its ways."""
    from huggingface_hub.file_download import http_get

    path = "model-00001-of-00002.safetensors"
    body = hub.repos[NAME].files[path]
    with (tmp_path / "part").open("w+b") as file:
        file.write(body[:1000])
        http_get(hf_hub_url(NAME, path, endpoint=hub.address), file, resume_size=1000, expected_size=len(body))
        file.seek(0)
        assert file.read() == body
    # The server counts a piece when it is gone, which the client may know sooner.
    until = time.monotonic() + 10
    while hub.sent[path] < len(body) - 1000 and time.monotonic() < until:
        time.sleep(0.01)
    assert hub.sent[path] == len(body) - 1000
    # Why they do not use it: what came before a break is lost, up to the ten megabytes it hands on at a time.
    hub.forget()
    hub.faults[path].append(Fault("truncated", at=0.9))
    with (tmp_path / "part").open("w+b") as file:
        http_get(hf_hub_url(NAME, path, endpoint=hub.address), file, expected_size=len(body))
    assert hub.sent[path] > 1.8 * len(body)
