"""Compiles small loops for this very CPU at run time: LLVM through llvmlite, threads from torch's own OpenMP team."""

import ctypes
import functools
import hashlib
import platform
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import torch

from s3d_core.kernels import kept
from s3d_core.kernels.dissolve import dissolve

LANES = 16
# Kept code was optimised in this way; another way needs another number.
_OPTIMISED = 1
_folder: Path | None = None
_OPENMP = ("GOMP_parallel", "GOMP_barrier", "omp_get_thread_num", "omp_get_num_threads")


@functools.cache
def available() -> bool:
    """Whether this machine can compile and run the loops: x86-64 Linux with AVX2 or AVX-512 and torch's OpenMP."""
    if platform.system() != "Linux" or platform.machine() != "x86_64" or lanes_at_once() == 0:
        return False
    try:
        return find_spec("llvmlite") is not None and _openmp() is not None
    except OSError:
        return False


@functools.cache
def lanes_at_once() -> int:
    """Float32 numbers in a register of this machine: 16 with AVX-512, 8 with AVX2 and FMA, 0 with neither."""
    able = torch.cpu.get_capabilities()
    if able.get("avx512_f") and able.get("avx512_bw") and able.get("avx512_vl"):
        return 16
    return 8 if able.get("avx2") and able.get("fma3") else 0


@functools.cache
def dots_bf16() -> bool:
    """Whether this machine multiplies pairs of bfloat16 and adds them up in one instruction (AVX512-BF16)."""
    return available() and lanes_at_once() == 16 and bool(torch.cpu.get_capabilities().get("avx512_bf16"))


@functools.cache
def dots_vnni() -> bool:
    """Whether this machine multiplies fours of 8-bit numbers and adds them up in one instruction (AVX512-VNNI)."""
    return available() and lanes_at_once() == 16 and bool(torch.cpu.get_capabilities().get("avx512_vnni"))


@functools.cache
def dots_int8() -> bool:
    """Whether products of 8-bit numbers are faster here than those of wider ones."""
    return dots_vnni() or (available() and bool(torch.cpu.get_capabilities().get("avx2")))


@functools.cache
def _openmp() -> ctypes.CDLL | None:
    """The OpenMP runtime that torch itself has loaded, so that one team of threads serves both."""
    home = Path(torch.__file__).parent
    for folder in (home / "lib", home.parent / "torch.libs"):
        for file in sorted(folder.glob("libgomp*.so*")):
            library = ctypes.CDLL(str(file), mode=ctypes.RTLD_GLOBAL)
            if all(hasattr(library, symbol) for symbol in _OPENMP):
                return library
    return None


def keep_in(folder: Path | None) -> None:
    """From now on keep what is compiled in a folder, and take from there what was compiled before; None for neither."""
    global _folder
    _folder = folder


def compile_module(module) -> None:
    """Compile an `llvmlite.ir` module, or find it compiled, and add it to the program for `address` to find.

    The module is taken apart.
    """
    import llvmlite
    import llvmlite.binding as llvm

    text = str(module)
    dissolve(module)
    machine = (llvmlite.__version__, llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten())
    file = _folder / hashlib.sha256(repr((text, _OPTIMISED, machine)).encode()).hexdigest() if _folder else None
    code = kept.read(file) if file else None
    if code is None:
        code = _compiled(text)
        if file:
            kept.write(file, code)
    _engine().add_object_file(llvm.ObjectFileRef.from_data(code))
    _engine().finalize_object()


def _compiled(text: str) -> bytes:
    """Object code of a module's LLVM text."""
    import llvmlite.binding as llvm

    _machine()
    parsed = llvm.parse_assembly(text)
    parsed.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    # The loops are written as they should be; looking for more to unroll would only take time.
    options.loop_unrolling = options.loop_interleaving = False
    options.loop_vectorization = options.slp_vectorization = False
    passes = llvm.create_pass_builder(_machine(), options)
    passes.getModulePassManager().run(parsed, passes)
    return _machine().emit_object(parsed)


def address(name: str) -> int:
    """Where a compiled function is."""
    return _engine().get_function_address(name)


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
    for symbol in _OPENMP:
        llvm.add_symbol(symbol, ctypes.cast(getattr(library, symbol), ctypes.c_void_p).value)
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine())


@functools.cache
def _bfloat():
    """LLVM's bfloat16, which llvmlite has no name for."""
    from llvmlite import ir

    class BFloat(ir.Type):
        def _to_string(self) -> str:
            return "bfloat"

        def __eq__(self, other) -> bool:
            return isinstance(other, BFloat)

        def __hash__(self) -> int:
            return hash(BFloat)

    return BFloat()


class Code:
    """A function being written: an `IRBuilder` with the few shapes that these loops need.

    Addresses are byte pointers and offsets count bytes; sizes are 64-bit integers.
    """

    def __init__(self, module, name: str, arguments: list, internal: bool = False):
        from llvmlite import ir

        self.ir, self.module = ir, module
        self.i32, self.i64, self.f32 = ir.IntType(32), ir.IntType(64), ir.FloatType()
        self.pointer = ir.IntType(8).as_pointer()
        kinds = {"p": self.pointer, "i": self.i64, "t": self.i32}
        self.function = ir.Function(module, ir.FunctionType(ir.VoidType(), [kinds[a] for a in arguments]), name)
        self.function.attributes.add("nounwind")
        if internal:
            self.function.linkage = "internal"
        self.arguments = self.function.args
        self.b = ir.IRBuilder(self.function.append_basic_block())

    def whole(self, value: int):
        """A size; what is one already stays."""
        return self.ir.Constant(self.i64, value) if isinstance(value, int) else value

    def number(self, value: float, width: int = 1):
        """A float32 constant, in every lane of a vector where `width` is above 1."""
        return self.ir.Constant(self.floats(width), value if width == 1 else [value] * width)

    def floats(self, width: int):
        """The type of `width` float32 values."""
        return self.f32 if width == 1 else self.ir.VectorType(self.f32, width)

    def integers(self, width: int, bits: int = 32):
        """The type of `width` integers."""
        kind = self.ir.IntType(bits)
        return kind if width == 1 else self.ir.VectorType(kind, width)

    def add(self, *values):
        """The sum of sizes."""
        total = self.whole(values[0])
        for value in values[1:]:
            total = self.b.add(total, self.whole(value))
        return total

    def times(self, one, other):
        """The product of two sizes."""
        return self.b.mul(self.whole(one), self.whole(other))

    def at(self, base, *offsets):
        """A byte pointer moved by offsets."""
        return self.b.gep(base, [self.add(*offsets)])

    def load(self, place, kind, align: int = 4):
        """The value of a type at a byte pointer."""
        value = self.b.load(self.b.bitcast(place, kind.as_pointer()))
        value.align = align
        return value

    def store(self, value, place, align: int = 4) -> None:
        """Write a value at a byte pointer."""
        self.b.store(value, self.b.bitcast(place, value.type.as_pointer()), align=align)

    def prefetch(self, place, level: int = 1) -> None:
        """Ask for the cache line at a byte pointer, to be read, into a level of the cache."""
        how = [self.ir.Constant(self.i32, v) for v in (0, 4 - level, 1)]
        prefetch = self.external("llvm.prefetch.p0", self.ir.VoidType(), [self.pointer, *[self.i32] * 3])
        self.b.call(prefetch, [place, *how])

    def spread(self, scalar, width: int):
        """A scalar in every lane."""
        if width == 1:
            return scalar
        kind = self.ir.VectorType(scalar.type, width)
        nothing = self.ir.Constant(kind, self.ir.Undefined)
        one = self.b.insert_element(nothing, scalar, self.ir.Constant(self.i32, 0))
        return self.b.shuffle_vector(one, nothing, self.ir.Constant(self.integers(width), [0] * width))

    def part(self, vector, first: int, count: int):
        """Some of a vector's lanes."""
        wanted = self.ir.Constant(self.integers(count), list(range(first, first + count)))
        return self.b.shuffle_vector(vector, vector, wanted)

    def joined(self, one, other):
        """A vector of both vectors' lanes."""
        count = one.type.count + other.type.count
        return self.b.shuffle_vector(one, other, self.ir.Constant(self.integers(count), list(range(count))))

    def external(self, symbol: str, result, arguments: list):
        """A function defined elsewhere, declared once."""
        if symbol in self.module.globals:
            return self.module.globals[symbol]
        return self.ir.Function(self.module, self.ir.FunctionType(result, arguments), symbol)

    def call_float(self, name: str, *values):
        """An LLVM float intrinsic such as `fma` on scalars or vectors."""
        kind = values[0].type
        suffix = f"v{kind.count}f32" if isinstance(kind, self.ir.VectorType) else "f32"
        return self.b.call(self.external(f"llvm.{name}.{suffix}", kind, [kind] * len(values)), values)

    def dot(self, one, other, total):
        """`total` float32 `[16]` plus the products of two vectors of 16 pairs of bfloat16, given as 32-bit integers."""
        pairs = self.ir.VectorType(_bfloat(), 2 * LANES)
        kinds = [self.floats(LANES), pairs, pairs]
        function = self.external("llvm.x86.avx512bf16.dpbf16ps.512", kinds[0], kinds)
        return self.b.call(function, [total, self.b.bitcast(one, pairs), self.b.bitcast(other, pairs)])

    def element(self, vector, i: int):
        """The i-th element of a vector; a scalar is its own."""
        if not isinstance(vector.type, self.ir.VectorType):
            return vector
        return self.b.extract_element(vector, self.ir.Constant(self.i32, i))

    def narrow(self, value):
        """Float32 as the bits of the nearest bfloat16, ties to even."""
        width = getattr(value.type, "count", 1)
        whole, short = self.integers(width), self.integers(width, 16)

        def number(n: int):
            return self.ir.Constant(whole, n if width == 1 else [n] * width)

        bits = self.b.bitcast(value, whole)
        odd = self.b.and_(self.b.lshr(bits, number(16)), number(1))
        rounded = self.b.add(bits, self.b.add(odd, number(0x7FFF)))
        return self.b.trunc(self.b.lshr(rounded, number(16)), short)

    def sum_lanes(self, vector):
        """The sum over a vector's lanes."""
        if not isinstance(vector.type, self.ir.VectorType):
            return vector
        name = f"llvm.vector.reduce.fadd.v{vector.type.count}f32"
        reduce = self.external(name, self.f32, [self.f32, vector.type])
        return self.b.call(reduce, [self.number(0.0), vector], fastmath=("reassoc",))

    def sums_of(self, vectors, lanes: int, first: int = 0, count: int | None = None) -> list:
        """The sums over the lanes of as many vectors as they have lanes, in one vector, of several such sums at once:
        `vectors(i)` are the i-th ones. Half as many additions as summing each on its own, and few vectors alive.
        """
        count = lanes if count is None else count
        if count == 1:
            return vectors(first)
        pair = (self.sums_of(vectors, lanes, first + at, count // 2) for at in (0, count // 2))
        halves = [self.ir.Constant(self.integers(lanes), list(range(at, 2 * lanes, 2))) for at in (0, 1)]
        return [
            self.b.fadd(*(self.b.shuffle_vector(*both, half) for half in halves)) for both in zip(*pair, strict=True)
        ]

    @contextmanager
    def loop(self, begin, end, step=1):
        """A counted loop; gives the index."""
        begin, end, step = self.whole(begin), self.whole(end), self.whole(step)
        b = self.b
        before, body, after = b.block, b.append_basic_block(), b.append_basic_block()
        b.cbranch(b.icmp_signed("<", begin, end), body, after)
        b.position_at_end(body)
        index = b.phi(self.i64)
        index.add_incoming(begin, before)
        yield index
        following = b.add(index, step)
        index.add_incoming(following, b.block)
        b.cbranch(b.icmp_signed("<", following, end), body, after)
        b.position_at_end(after)

    def fold(self, begin, end, step, start: list, body) -> list:
        """A loop that runs at least once and carries values: `body(index, values) -> values`."""
        b = self.b
        before, block, after = b.block, b.append_basic_block(), b.append_basic_block()
        b.branch(block)
        b.position_at_end(block)
        index = b.phi(self.i64)
        index.add_incoming(self.whole(begin), before)
        held = []
        for value in start:
            phi = b.phi(value.type)
            phi.add_incoming(value, before)
            held.append(phi)
        results = body(index, list(held))
        following = b.add(index, self.whole(step))
        index.add_incoming(following, b.block)
        for phi, result in zip(held, results, strict=True):
            phi.add_incoming(result, b.block)
        b.cbranch(b.icmp_signed("<", following, self.whole(end)), block, after)
        b.position_at_end(after)
        return results

    def team(self) -> tuple:
        """This thread's number and the number of threads."""
        number = self.external("omp_get_thread_num", self.i32, [])
        count = self.external("omp_get_num_threads", self.i32, [])
        return self.b.sext(self.b.call(number, []), self.i64), self.b.sext(self.b.call(count, []), self.i64)

    def barrier(self) -> None:
        """Wait here for all threads."""
        self.b.call(self.external("GOMP_barrier", self.ir.VoidType(), []), [])

    def share(self, count, thread, team) -> tuple:
        """The run of `count` things that this thread does: first and end."""
        first = self.b.sdiv(self.times(count, thread), team)
        return first, self.b.sdiv(self.times(count, self.add(thread, 1)), team)


def parallel_entry(module, worker: Code, name: str, arguments: int) -> None:
    """Write `name(a_0 ... a_(n-1), threads)`: it runs `worker(task)` on a team, the task holding the sizes a_i."""
    code = Code(module, name, ["i"] * arguments + ["t"])
    b = code.b
    task = code.ir.ArrayType(code.i64, arguments)
    held = b.alloca(task)
    for i in range(arguments):
        b.store(code.arguments[i], b.gep(held, [code.ir.Constant(code.i32, 0), code.ir.Constant(code.i32, i)]))
    kinds = [worker.function.type, code.pointer, code.i32, code.i32]
    parallel = code.external("GOMP_parallel", code.ir.VoidType(), kinds)
    b.call(
        parallel, [worker.function, b.bitcast(held, code.pointer), code.arguments[-1], code.ir.Constant(code.i32, 0)]
    )
    b.ret_void()
