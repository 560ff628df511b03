"""The device functions of Hopper: barriers with phases, TMA, warpgroup matrix products."""

from __future__ import annotations

import re
from functools import cache

PIECES: dict[str, str] = {
    "TensorMap": """
struct alignas(64) TensorMap { unsigned long long opaque[16]; };
""",
    "prefetch_map": """
__device__ __forceinline__ void prefetch_map(const TensorMap* map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory");
}
""",
    "fence_async": """
// What this thread stored to shared memory is there for TMA and wgmma after the next barrier.
__device__ __forceinline__ void fence_async() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
""",
    "init_barriers": """
template <int COUNT> __device__ __forceinline__ void init_barriers(unsigned long long* barriers, int arrivals) {
#pragma unroll
  for (int i = 0; i < COUNT; ++i)
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barriers + i)), "r"(arrivals));
  fence_async();
}
""",
    "arrive": """
__device__ __forceinline__ void arrive(unsigned long long* barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
}
""",
    "arrive_expecting": """
// One arrival; the phase also waits for `bytes` of asynchronous copies.
__device__ __forceinline__ void arrive_expecting(unsigned long long* barrier, int bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)), "r"(bytes)
               : "memory");
}
""",
    "wait_phase": """
// Wait until the phase of that parity is over.
__device__ __forceinline__ void wait_phase(unsigned long long* barrier, int parity) {
  asm volatile(
      "{\\n"
      ".reg .pred done;\\n"
      "again:\\n"
      "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\\n"
      "@!done bra again;\\n"
      "}" ::"r"(shared_address(barrier)), "r"(parity) : "memory");
}
""",
    "sync_group": """
// A barrier of some of the block's warps.
__device__ __forceinline__ void sync_group(int number, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(number), "r"(threads) : "memory");
}
""",
    "elect_one": """
// True for one thread of a warp, all of which come here.
__device__ __forceinline__ bool elect_one() {
  unsigned elected;
  asm volatile("{\\n.reg .pred p;\\nelect.sync _|p, 0xffffffff;\\nselp.u32 %0, 1, 0, p;\\n}" : "=r"(elected));
  return elected;
}
""",
    "decrease_registers": """
template <int COUNT> __device__ __forceinline__ void decrease_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(COUNT));
}
""",
    "increase_registers": """
template <int COUNT> __device__ __forceinline__ void increase_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(COUNT));
}
""",
    "commit_stores": """
__device__ __forceinline__ void commit_stores() { asm volatile("cp.async.bulk.commit_group;" ::: "memory"); }
""",
    "wait_stores": """
// Until all but the last PENDING groups of TMA stores have read shared memory.
template <int PENDING> __device__ __forceinline__ void wait_stores() {
  asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(PENDING) : "memory");
}
""",
    "store_matrices": """
// Four 8x8 matrices of 16-bit elements; lane 8 * m + r gives the address of row r of matrix m.
__device__ __forceinline__ void store_matrices(void* row, const void* from) {
  const unsigned* w = reinterpret_cast<const unsigned*>(from);
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};"
               ::"r"(shared_address(row)), "r"(w[0]), "r"(w[1]), "r"(w[2]), "r"(w[3]) : "memory");
}
""",
    "store_matrices_transposed": """
__device__ __forceinline__ void store_matrices_transposed(void* row, const void* from) {
  const unsigned* w = reinterpret_cast<const unsigned*>(from);
  asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};"
               ::"r"(shared_address(row)), "r"(w[0]), "r"(w[1]), "r"(w[2]), "r"(w[3]) : "memory");
}
""",
    "store_two_matrices": """
__device__ __forceinline__ void store_two_matrices(void* row, const void* from) {
  const unsigned* w = reinterpret_cast<const unsigned*>(from);
  asm volatile("stmatrix.sync.aligned.m8n8.x2.shared.b16 [%0], {%1, %2};"
               ::"r"(shared_address(row)), "r"(w[0]), "r"(w[1]) : "memory");
}
""",
    "store_two_matrices_transposed": """
__device__ __forceinline__ void store_two_matrices_transposed(void* row, const void* from) {
  const unsigned* w = reinterpret_cast<const unsigned*>(from);
  asm volatile("stmatrix.sync.aligned.m8n8.x2.trans.shared.b16 [%0], {%1, %2};"
               ::"r"(shared_address(row)), "r"(w[0]), "r"(w[1]) : "memory");
}
""",
    "matrix_descriptor": """
// A matrix in shared memory, swizzled over 128 bytes; strides between its parts in bytes.
__device__ __forceinline__ unsigned long long matrix_descriptor(const void* start, int leading, int stride) {
  return (unsigned long long)(shared_address(start) & 0x3ffff) >> 4 | (unsigned long long)(leading >> 4) << 16 |
         (unsigned long long)(stride >> 4) << 32 | 1ull << 62;
}
""",
    "advanced": """
// The descriptor of what lies `offset` * 16 bytes on: in its lower half, without a carry.
__device__ __forceinline__ unsigned long long advanced(unsigned long long matrix, int offset) {
  return (matrix & 0xffffffff00000000ull) | (unsigned)((unsigned)matrix + offset);
}
""",
    "start_products": """
// Registers and shared memory are ready for the matrix products that follow.
__device__ __forceinline__ void start_products() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
""",
    "commit_products": """
__device__ __forceinline__ void commit_products() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
""",
    "wait_products": """
// Until all but the last PENDING groups of matrix products are done.
template <int PENDING> __device__ __forceinline__ void wait_products() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(PENDING) : "memory");
}
""",
    "finish_products": """
// All but the last PENDING groups of matrix products are done; `acc`, which an earlier one made, is not read before.
template <int PENDING, int COUNT> __device__ __forceinline__ void finish_products(float (&acc)[COUNT]) {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(PENDING) : "memory");
#pragma unroll
  for (int i = 0; i < COUNT; ++i) asm volatile("" : "+f"(acc[i])::"memory");
}
""",
}

_FAMILIES = (
    (r"\btma_load_(\d)d\b", lambda rank: _tma_load(int(rank))),
    (r"\btma_load_pixels_(\d)d\b", lambda rank: _tma_load_pixels(int(rank))),
    (r"\btma_store_(\d)d\b", lambda rank: _tma_store(int(rank))),
    (r"\bwgmma_m64n(\d+)k(\d+)_(\w+)\b", lambda n, k, dtype: _wgmma(int(n), int(k), dtype)),
    (r"\bregisters_wgmma_m64n(\d+)k16_(\w+)\b", lambda n, dtype: _registers_wgmma(int(n), dtype)),
)


def generated(body: str) -> str:
    """The functions of families (one a rank or a shape) that `body` calls."""
    found: dict[str, None] = {}
    for pattern, make in _FAMILIES:
        for match in re.finditer(pattern, body):
            found[make(*match.groups())] = None
    return "".join(found)


@cache
def _tma_load(rank: int) -> str:
    places = ", ".join(f"%{3 + d}" for d in range(rank))
    return f"""
// A box of a tensor to shared memory; its bytes count for the barrier's phase. Coordinates from the innermost dim.
__device__ __forceinline__ void tma_load_{rank}d(
    void* to, const TensorMap* map, unsigned long long* barrier, {_coordinates(rank)}) {{
  asm volatile("cp.async.bulk.tensor.{rank}d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
               "[%0], [%1, {{{places}}}], [%2];"
               ::"r"(shared_address(to)), "l"(map), "r"(shared_address(barrier)), {_operands(rank)} : "memory");
}}
"""


@cache
def _tma_load_pixels(rank: int) -> str:
    places = ", ".join(f"%{3 + d}" for d in range(rank))
    taps = ", ".join(f"%{3 + rank + d}" for d in range(rank - 2))
    parameters = ", ".join(f"unsigned short t{d}" for d in range(rank - 2))
    operands = ", ".join(f'"h"(t{d})' for d in range(rank - 2))
    return f"""
// Pixels of an image to shared memory, each displaced by the tap (t0, ...); the pixels follow each other as windows do.
__device__ __forceinline__ void tma_load_pixels_{rank}d(
    void* to, const TensorMap* map, unsigned long long* barrier, {_coordinates(rank)}, {parameters}) {{
  asm volatile("cp.async.bulk.tensor.{rank}d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes "
               "[%0], [%1, {{{places}}}], [%2], {{{taps}}};"
               ::"r"(shared_address(to)), "l"(map), "r"(shared_address(barrier)), {_operands(rank)},
                 {operands} : "memory");
}}
"""


@cache
def _tma_store(rank: int) -> str:
    places = ", ".join(f"%{2 + d}" for d in range(rank))
    return f"""
// A box of shared memory to a tensor. Coordinates from the innermost dim.
__device__ __forceinline__ void tma_store_{rank}d(const TensorMap* map, const void* from, {_coordinates(rank)}) {{
  asm volatile("cp.async.bulk.tensor.{rank}d.global.shared::cta.tile.bulk_group [%0, {{{places}}}], [%1];"
               ::"l"(map), "r"(shared_address(from)), {_operands(rank)} : "memory");
}}
"""


def _coordinates(rank: int) -> str:
    return ", ".join(f"int c{d}" for d in range(rank))


def _operands(rank: int) -> str:
    return ", ".join(f'"r"(c{d})' for d in range(rank))


@cache
def _wgmma(n: int, k: int, dtype: str) -> str:
    """acc += a @ b by one warpgroup, both operands in shared memory."""
    count = n // 2
    text, outputs = _accumulators(count)
    turned = k == 16
    template = "template <int TRANS_A, int TRANS_B> " if turned else ""
    flags = f", %{count + 3}, %{count + 4}" if turned else ""
    inputs = ', "n"(TRANS_A), "n"(TRANS_B)' if turned else ""
    return f"""
// acc = a @ b + (accumulate ? acc : 0): one warpgroup, 64x{n} += 64x{k} @ {k}x{n}, asynchronously.
{template}__device__ __forceinline__ void wgmma_m64n{n}k{k}_{dtype}(
    float* acc, unsigned long long a, unsigned long long b, bool accumulate) {{
  asm volatile("{{\\n.reg .pred p;\\nsetp.ne.b32 p, %{count + 2}, 0;\\n"
      "wgmma.mma_async.sync.aligned.m64n{n}k{k}.f32.{dtype}.{dtype} {{"
      "{text}}}, "
      "%{count}, %{count + 1}, p, 1, 1{flags};\\n}}"
      : {outputs}
      : "l"(a), "l"(b), "r"((int)accumulate){inputs});
}}
"""


@cache
def _registers_wgmma(n: int, dtype: str) -> str:
    """acc += a @ b by one warpgroup, a in registers: eight 16-bit elements of every thread."""
    count = n // 2
    text, outputs = _accumulators(count)
    a = ", ".join(f"%{count + i}" for i in range(4))
    words = ", ".join(f'"r"(w[{i}])' for i in range(4))
    return f"""
// acc = a @ b + (accumulate ? acc : 0): one warpgroup, 64x{n} += 64x16 @ 16x{n}, asynchronously; a stays until then.
template <int TRANS_B> __device__ __forceinline__ void registers_wgmma_m64n{n}k16_{dtype}(
    float* acc, const void* a, unsigned long long b, bool accumulate) {{
  const unsigned* w = reinterpret_cast<const unsigned*>(a);
  asm volatile("{{\\n.reg .pred p;\\nsetp.ne.b32 p, %{count + 5}, 0;\\n"
      "wgmma.mma_async.sync.aligned.m64n{n}k16.f32.{dtype}.{dtype} {{"
      "{text}}}, "
      "{{{a}}}, %{count + 4}, p, 1, 1, %{count + 6};\\n}}"
      : {outputs}
      : {words}, "l"(b), "r"((int)accumulate), "n"(TRANS_B));
}}
"""


def _accumulators(count: int) -> tuple[str, str]:
    """The operands' numbers, and the constraints, of `count` accumulators."""
    places = [f"%{i}" for i in range(count)]
    rows = [", ".join(places[i : i + 16]) for i in range(0, count, 16)]
    operands = [f'"+f"(acc[{i}])' for i in range(count)]
    outputs = (", ".join(operands[i : i + 8]) for i in range(0, count, 8))
    return ', "\n      "'.join(rows), ",\n        ".join(outputs)
