import pytest
import torch


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Tiny matrices only lose by threads that wait for each other.

    For whole modules, as sums round differently by the number of threads and what a module's fixtures
    computed is compared bit by bit.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
