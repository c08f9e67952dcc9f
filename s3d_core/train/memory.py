"""What a training holds in memory, counted, so that it can be cut to what a GPU has."""

from s3d_core.layer import LINEARS
from s3d_core.target import Target

# Activations kept at once for the way back; a model of Phi-3's size leaves a card of 12 GB about 3.
ACTIVATION_BYTES = 1_100_000_000
# Keys and values of all the texts that are written at once.
WRITER_BYTES = 2_000_000_000
_FLOAT32 = 4


def row_bytes(target: Target, layers: int) -> int:
    """What autograd keeps of one draft row that goes through so many layers, in bytes.

    Per layer that is: the input of each linear update, both norms' inputs and their statistics, the
    rotary's and the attention's parts (query, key, value and result, folded and not), and the
    feed-forward's gate, up, activation and product. Counted generously; a test holds that it is enough.
    """
    layer = target.layers[0]
    hidden, projected = layer.o.shape[0], layer.qkv.shape[0]
    attended, intermediate = layer.o.shape[1], layer.down.shape[1]
    return _FLOAT32 * layers * (6 * hidden + 5 * projected + 4 * attended + 7 * intermediate)


def anchors_at_once(target: Target, slots: int, layers: int) -> int:
    """Blocks whose activations are kept at once."""
    return max(4, ACTIVATION_BYTES // (slots * row_bytes(target, layers)))


def texts_at_once(target: Target, context: int, most: int) -> int:
    """Texts that are continued at once, for a cache of `context` tokens each."""
    one = 2 * target.depth * target.kv_heads * target.head_dim * context * target.dtype.itemsize
    return max(4, min(most, WRITER_BYTES // one))


def adapter_bytes(target: Target, layers: int, rank: int, coherence_rank: int = 128) -> int:
    """A float32 adapter with its gradients and the optimiser's two moments, in bytes."""
    numbers = layers * rank * sum(sum(getattr(target.layers[0], name).shape) for name in LINEARS)
    numbers += 3 * target.embedding.shape[1] * coherence_rank
    return 4 * _FLOAT32 * numbers
