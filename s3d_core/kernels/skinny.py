"""Matrix products of a few rows with a large weight, compiled for this CPU at run time.

Verifying 17 rows should cost about what one row does, since both read every weight once. The
usual libraries are made for one row or for hundreds: in between they take two to four times as
long, which would eat the whole gain of drafting. Here the weight is packed in blocks of 16
outputs, each block is read once, widened from bfloat16 on the way where need be, and multiplied
with all rows while it is in registers. Every output is summed in the same order whatever the
number of rows, so a row's result does not depend on its company.

LLVM (through llvmlite) compiles one loop per shape in some milliseconds; the threads are torch's
own OpenMP team. Where any of this is missing, `pack` returns None and torch's product is used.
"""

import ctypes
import functools
import platform
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F

LANES = 16
# Rows multiplied at once; others are cut into tiles of equal height and filled up with zeros.
HEIGHTS = (1, 2, 4, 6, 9)
_UNROLL = 4
# Multiplications below which waking the other threads takes longer than they save.
_WORTH_THREADS = 500_000
# Vector registers for sums; the rest of the 32 hold weights.
_SUMS = 27


class Packed:
    """A weight `[out, in]` packed for few rows.

    Attributes:
        blocks: `[out / 16, in, 16]`, float32 or bfloat16.
    """

    def __init__(self, weight: torch.Tensor):
        out, into = weight.shape
        for height in HEIGHTS:
            # Compiled here once for each row length, so that no slider ever waits for it.
            _compiled(into, height, weight.dtype == torch.bfloat16)
        self.blocks = weight.detach().view(out // LANES, LANES, into).transpose(1, 2).contiguous()
        self.shape = weight.shape

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """`x @ weight.T` for float32 `x` `[rows, in]`; float32 `[rows, out]`."""
        out, into = self.shape
        rows = x.shape[0]
        tiles = -(-rows // HEIGHTS[-1])
        height = next(h for h in HEIGHTS if h * tiles >= rows)
        x = x.contiguous() if tiles * height == rows else F.pad(x, (0, 0, 0, tiles * height - rows))
        y = torch.empty(tiles * height, out, dtype=torch.float32)
        product = _compiled(into, height, self.blocks.dtype == torch.bfloat16)
        threads = 1 if rows * out * into < _WORTH_THREADS else torch.get_num_threads()
        product(self.blocks.data_ptr(), x.data_ptr(), y.data_ptr(), out // LANES, tiles, threads)
        return y[:rows]

    def rows(self, ids: torch.Tensor) -> torch.Tensor:
        """Rows `[n, in]` of the weight, for an embedding that shares it."""
        return self.blocks[ids // LANES, :, ids % LANES].float()

    def unpacked(self) -> torch.Tensor:
        """The weight as it was."""
        return self.blocks.transpose(1, 2).reshape(self.shape)


def fits(weight: torch.Tensor) -> bool:
    """Whether a weight can be packed: on the CPU, of a known precision, and of even blocks."""
    out, into = weight.shape
    known = weight.dtype in (torch.float32, torch.bfloat16)
    return weight.device.type == "cpu" and known and out % LANES == 0 and into % _UNROLL == 0


@functools.cache
def available() -> bool:
    """Whether this machine can compile and run the loops: x86-64 Linux with AVX-512 and torch's OpenMP."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return False
    if "AVX512" not in torch.backends.cpu.get_cpu_capability():
        return False
    try:
        return find_spec("llvmlite") is not None and _openmp() is not None
    except OSError:
        return False


@functools.cache
def _openmp() -> ctypes.CDLL | None:
    """The OpenMP runtime that torch itself has loaded, so that one team of threads serves both."""
    home = Path(torch.__file__).parent
    for folder in (home / "lib", home.parent / "torch.libs"):
        for file in sorted(folder.glob("libgomp*.so*")):
            library = ctypes.CDLL(str(file), mode=ctypes.RTLD_GLOBAL)
            if hasattr(library, "GOMP_parallel"):
                return library
    return None


@functools.cache
def _compiled(into: int, rows: int, is_bf16: bool):
    """The compiled product for a row length and a number of rows, as a C function."""
    import llvmlite.binding as llvm

    engine = _engine()
    name = f"skinny_{into}_{rows}_{'bf16' if is_bf16 else 'f32'}"
    module = llvm.parse_assembly(_source(name, into, rows, is_bf16))
    module.verify()
    machine = _machine()
    passes = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=3))
    passes.getModulePassManager().run(module, passes)
    engine.add_module(module)
    engine.finalize_object()
    prototype = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, ctypes.c_int64, ctypes.c_int64, ctypes.c_int32)
    return prototype(engine.get_function_address(name))


@functools.cache
def _machine():
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3, jit=True
    )


@functools.cache
def _engine():
    import llvmlite.binding as llvm

    library = _openmp()
    for symbol in ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads"):
        llvm.add_symbol(symbol, ctypes.cast(getattr(library, symbol), ctypes.c_void_p).value)
    machine = _machine()
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)


def _source(name: str, into: int, rows: int, is_bf16: bool) -> str:
    """LLVM IR of `name(weights, x, y, blocks, tiles, threads)`.

    Each thread takes a run of blocks; for a group of blocks and each tile of rows it sums over
    the inputs with one vector register per (block of the group, row).
    """
    from llvmlite import ir

    i16, i32, i64, f32 = ir.IntType(16), ir.IntType(32), ir.IntType(64), ir.FloatType()
    vector, narrow, wide = ir.VectorType(f32, LANES), ir.VectorType(i16, LANES), ir.VectorType(i32, LANES)
    pointer = ir.IntType(8).as_pointer()
    module = ir.Module(name)
    task = ir.LiteralStructType([pointer, pointer, pointer, i64, i64])
    get = {
        symbol: ir.Function(module, ir.FunctionType(i32, []), symbol)
        for symbol in ("omp_get_thread_num", "omp_get_num_threads")
    }
    worker_type = ir.FunctionType(ir.VoidType(), [pointer])
    parallel = ir.Function(
        module, ir.FunctionType(ir.VoidType(), [worker_type.as_pointer(), pointer, i32, i32]), "GOMP_parallel"
    )
    group = max(1, min(8, _SUMS // rows))
    element = 2 if is_bf16 else 4
    block_bytes = into * LANES * element
    fma = ir.Function(module, ir.FunctionType(vector, [vector] * 3), f"llvm.fma.v{LANES}f32")

    prefetch_type = ir.FunctionType(ir.VoidType(), [pointer, i32, i32, i32])
    prefetch = ir.Function(module, prefetch_type, "llvm.prefetch.p0")

    def whole(value):
        return ir.Constant(i64, value)

    def at(b, base, offset, kind):
        return b.bitcast(b.gep(base, [offset]), kind.as_pointer())

    def load(b, address, align):
        value = b.load(address)
        value.align = align
        return value

    def weight(b, base, offset):
        if not is_bf16:
            return load(b, at(b, base, offset, vector), 4)
        bits = b.zext(load(b, at(b, base, offset, narrow), 2), wide)
        return b.bitcast(b.shl(bits, ir.Constant(wide, [16] * LANES)), vector)

    def loop(b, begin, end, step, label):
        """A counted loop: returns (index, finish), the latter to be called behind the body."""
        before, body, after = b.block, b.append_basic_block(label), b.append_basic_block(label + "_end")
        b.cbranch(b.icmp_signed("<", begin, end), body, after)
        b.position_at_end(body)
        index = b.phi(i64)
        index.add_incoming(begin, before)

        def finish():
            following = b.add(index, step)
            index.add_incoming(following, b.block)
            b.cbranch(b.icmp_signed("<", following, end), body, after)
            b.position_at_end(after)

        return index, finish

    worker = ir.Function(module, worker_type, name + "_worker")
    worker.linkage = "internal"
    worker.attributes.add("nounwind")
    b = ir.IRBuilder(worker.append_basic_block())
    fields = b.bitcast(worker.args[0], task.as_pointer())

    def field(number):
        return b.load(b.gep(fields, [ir.Constant(i32, 0), ir.Constant(i32, number)]))

    weights, x, y, blocks, tiles = (field(i) for i in range(5))
    thread, team = (b.sext(b.call(get[s], []), i64) for s in ("omp_get_thread_num", "omp_get_num_threads"))
    first = b.sdiv(b.mul(blocks, thread), team)
    last = b.sdiv(b.mul(blocks, b.add(thread, whole(1))), team)

    def product(block, width, label):
        """Multiply `width` blocks from `block` on with every tile of rows."""
        tile, finish_tile = loop(b, whole(0), tiles, whole(1), label + "_tile")
        tile_x = b.gep(x, [b.mul(tile, whole(rows * into * 4))])
        base = b.gep(weights, [b.mul(block, whole(block_bytes))])
        before, body, after = b.block, b.append_basic_block(label), b.append_basic_block(label + "_store")
        b.branch(body)
        b.position_at_end(body)
        k = b.phi(i64)
        k.add_incoming(whole(0), before)
        sums = [[b.phi(vector) for _ in range(rows)] for _ in range(width)]
        values = [list(line) for line in sums]
        for u in range(_UNROLL):
            inner = b.add(k, whole(u))
            loaded = [
                weight(b, base, b.add(b.mul(inner, whole(LANES * element)), whole(i * block_bytes)))
                for i in range(width)
            ]
            if u * LANES * element % 64 == 0:  # a little ahead of what the hardware fetches by itself
                for i in range(width):
                    ahead = b.add(b.mul(inner, whole(LANES * element)), whole(i * block_bytes + 1024))
                    b.call(prefetch, [b.gep(base, [ahead]), *(ir.Constant(i32, v) for v in (0, 3, 1))])
            for r in range(rows):
                address = at(b, tile_x, b.add(b.mul(inner, whole(4)), whole(r * into * 4)), f32)
                one = b.insert_element(ir.Constant(vector, ir.Undefined), load(b, address, 4), ir.Constant(i32, 0))
                spread = b.shuffle_vector(one, ir.Constant(vector, ir.Undefined), ir.Constant(wide, [0] * LANES))
                for i in range(width):
                    values[i][r] = b.call(fma, [loaded[i], spread, values[i][r]])
        following = b.add(k, whole(_UNROLL))
        k.add_incoming(following, body)
        for i in range(width):
            for r in range(rows):
                sums[i][r].add_incoming(ir.Constant(vector, [0.0] * LANES), before)
                sums[i][r].add_incoming(values[i][r], body)
        b.cbranch(b.icmp_signed("<", following, whole(into)), body, after)
        b.position_at_end(after)
        line = b.mul(blocks, whole(LANES * 4))
        for r in range(rows):
            row = b.mul(b.add(b.mul(tile, whole(rows)), whole(r)), line)
            for i in range(width):
                column = b.mul(b.add(block, whole(i)), whole(LANES * 4))
                b.store(values[i][r], at(b, y, b.add(row, column), vector), align=4)
        finish_tile()

    end_of_groups = b.add(first, b.mul(b.sdiv(b.sub(last, first), whole(group)), whole(group)))
    block, finish = loop(b, first, end_of_groups, whole(group), "group")
    product(block, group, "wide")
    finish()
    block, finish = loop(b, end_of_groups, last, whole(1), "single")
    product(block, 1, "narrow")
    finish()
    b.ret_void()

    entry = ir.Function(module, ir.FunctionType(ir.VoidType(), [pointer, pointer, pointer, i64, i64, i32]), name)
    b = ir.IRBuilder(entry.append_basic_block())
    held = b.alloca(task)
    for i in range(5):
        b.store(entry.args[i], b.gep(held, [ir.Constant(i32, 0), ir.Constant(i32, i)]))
    b.call(parallel, [worker, b.bitcast(held, pointer), entry.args[5], ir.Constant(i32, 0)])
    b.ret_void()
    return str(module)
