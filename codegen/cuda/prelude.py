"""The device functions that kernels call, in CUDA C that needs no header; a kernel's source carries those it uses."""

from __future__ import annotations

import re
from functools import cache

from . import warpgroup

_TYPES = """
struct alignas(2) f16 { unsigned short bits; };
struct alignas(2) bf16 { unsigned short bits; };
struct f8e4m3fn { unsigned char bits; };
struct f8e4m3fnuz { unsigned char bits; };
struct f8e5m2 { unsigned char bits; };
struct f8e5m2fnuz { unsigned char bits; };
struct f8e8m0fnu { unsigned char bits; };
struct f4e2m1fn { unsigned char bits; };
"""

# Name of the first function of a piece, and the piece. A piece may call those above it.
_PIECES: dict[str, str] = {
    "to_float": """
__device__ __forceinline__ float to_float(f16 x) {
  float y;
  asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
  return y;
}
__device__ __forceinline__ float to_float(bf16 x) { return __uint_as_float((unsigned)x.bits << 16); }
__device__ __forceinline__ float to_float(float x) { return x; }
""",
    "from_small": """
// `nan`: the code of not-a-number, -1 where there is none; with infinities they and it have the largest exponent.
__device__ __forceinline__ float from_small(
    unsigned x, int exponent_bits, int mantissa_bits, int bias, int nan, bool has_infinity) {
  const unsigned sign_bit = 1u << (exponent_bits + mantissa_bits), magnitude = x & (sign_bit - 1);
  const unsigned mantissa = x & ((1u << mantissa_bits) - 1), exponent = magnitude >> mantissa_bits;
  const float sign = x & sign_bit ? -1.f : 1.f;
  if (has_infinity && exponent == (1u << exponent_bits) - 1)
    return mantissa ? __int_as_float(0x7fffffff) : sign * __int_as_float(0x7f800000);
  if (nan == (int)sign_bit ? x == sign_bit : (int)magnitude == nan) return __int_as_float(0x7fffffff);
  const float fraction = (float)(exponent ? mantissa | 1u << mantissa_bits : mantissa);
  return sign * ldexpf(fraction, (int)(exponent ? exponent : 1) - bias - mantissa_bits);
}
__device__ __forceinline__ float to_float(f8e4m3fn x) { return from_small(x.bits, 4, 3, 7, 0x7f, false); }
__device__ __forceinline__ float to_float(f8e4m3fnuz x) { return from_small(x.bits, 4, 3, 8, 0x80, false); }
__device__ __forceinline__ float to_float(f8e5m2 x) { return from_small(x.bits, 5, 2, 15, 0x7e, true); }
__device__ __forceinline__ float to_float(f8e5m2fnuz x) { return from_small(x.bits, 5, 2, 16, 0x80, false); }
__device__ __forceinline__ float to_float(f4e2m1fn x) { return from_small(x.bits & 15u, 2, 1, 1, -1, false); }
__device__ __forceinline__ float to_float(f8e8m0fnu x) {
  if (x.bits == 0xff) return __int_as_float(0x7fffffff);
  return __uint_as_float(x.bits ? (unsigned)x.bits << 23 : 0x400000u);
}
""",
    "from_float": """
template <class T> __device__ __forceinline__ T from_float(float x);
template <> __device__ __forceinline__ f16 from_float<f16>(float x) {
  f16 y;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
  return y;
}
template <> __device__ __forceinline__ bf16 from_float<bf16>(float x) {
  bf16 y;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
  return y;
}
""",
    "to_small": """
// Round to nearest even. Beyond the largest number: infinity, else not-a-number, else the largest number.
__device__ __forceinline__ unsigned char to_small(
    float x, int exponent_bits, int mantissa_bits, int bias, int nan, bool has_infinity) {
  const int sign_bit = 1 << (exponent_bits + mantissa_bits);
  const int sign = __float_as_uint(x) >> 31 ? sign_bit : 0;
  if (x != x) return nan < 0 ? sign_bit : nan == sign_bit ? nan : sign | nan;
  const int infinity = has_infinity ? sign_bit - (1 << mantissa_bits) : nan < 0 ? sign_bit - 1 : nan;
  const float size = fabsf(x);
  if (size == __int_as_float(0x7f800000)) return infinity == sign_bit ? infinity : sign | infinity;
  int exponent = size == 0.f ? -200 : ilogbf(size);
  exponent = max(exponent, 1 - bias);
  const int units = (int)rintf(ldexpf(size, mantissa_bits - exponent));
  const int code = min(units + ((exponent + bias - 1) << mantissa_bits), infinity);
  if (nan == sign_bit && (code == 0 || code == nan)) return code;  // the format has no negative zero
  return sign | code;
}
template <> __device__ __forceinline__ f8e4m3fn from_float<f8e4m3fn>(float x) {
  return {to_small(x, 4, 3, 7, 0x7f, false)};
}
template <> __device__ __forceinline__ f8e4m3fnuz from_float<f8e4m3fnuz>(float x) {
  return {to_small(x, 4, 3, 8, 0x80, false)};
}
template <> __device__ __forceinline__ f8e5m2 from_float<f8e5m2>(float x) {
  return {to_small(x, 5, 2, 15, 0x7e, true)};
}
template <> __device__ __forceinline__ f8e5m2fnuz from_float<f8e5m2fnuz>(float x) {
  return {to_small(x, 5, 2, 16, 0x80, false)};
}
template <> __device__ __forceinline__ f4e2m1fn from_float<f4e2m1fn>(float x) {
  return {to_small(x, 2, 1, 1, -1, false)};
}
// The nearest power of two, ties to the larger; not-a-number for what is not positive or too large.
template <> __device__ __forceinline__ f8e8m0fnu from_float<f8e8m0fnu>(float x) {
  const unsigned bits = __float_as_uint(x);
  return {(unsigned char)min((bits == 0 ? ~0u : bits <= 0x400000 ? 0 : bits + 0x400000) >> 23, 255u)};
}
""",
    "maximum": """
__device__ __forceinline__ float maximum(float a, float b) {
  float c;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(c) : "f"(a), "f"(b));
  return c;
}
__device__ __forceinline__ double maximum(double a, double b) { return a != a || a > b ? a : b; }
""",
    "minimum": """
__device__ __forceinline__ float minimum(float a, float b) {
  float c;
  asm("min.NaN.f32 %0, %1, %2;" : "=f"(c) : "f"(a), "f"(b));
  return c;
}
__device__ __forceinline__ double minimum(double a, double b) { return a != a || a < b ? a : b; }
""",
    "update": """
// Compare and exchange the bits until no other thread came between.
template <class T, class W, class F> __device__ __forceinline__ void exchange(W *word, F combine) {
  union Bits { W word; T value; };
  Bits old, next;
  W seen = *word;
  do {
    old.word = seen;
    next.value = combine(old.value);
    seen = atomicCAS(word, old.word, next.word);
  } while (seen != old.word);
}
template <class T, class F> __device__ __forceinline__ void update(T *address, F combine) {
  if constexpr (sizeof(T) == 8) exchange<T>((unsigned long long *)address, combine);
  else exchange<T>((unsigned *)address, combine);
}
""",
    "floordiv": """
template <class T> __device__ __forceinline__ T floordiv(T a, T b) {
  const T q = a / b;
  return q - (T)(q * b != a && (a < 0) != (b < 0));
}
""",
    "ceildiv": """
template <class T> __device__ __forceinline__ T ceildiv(T a, T b) {
  const T q = a / b;
  return q + (T)(q * b != a && (a < 0) == (b < 0));
}
""",
    "int_power": """
template <class T> __device__ __forceinline__ T int_power(T base, T exponent) {
  T result = 1;
  for (; exponent > 0; exponent >>= 1, base *= base)
    if (exponent & 1) result *= base;
  return result;
}
""",
    "swizzled": """
// The 16-byte chunks within SPAN bytes are permuted by the address of their 128-byte line, as TMA and wgmma do.
template <int SPAN, int ELEMENT> __device__ __forceinline__ int swizzled(int offset) {
  return offset ^ ((offset * ELEMENT >> 7 & (SPAN / 16 - 1)) << 4) / ELEMENT;
}
""",
    "move": """
template <int BYTES> struct Word;
template <> struct Word<1> { typedef unsigned char type; };
template <> struct Word<2> { typedef unsigned short type; };
template <> struct Word<4> { typedef unsigned type; };
template <> struct Word<8> { typedef uint2 type; };
template <> struct Word<16> { typedef uint4 type; };
template <int BYTES> __device__ __forceinline__ void move(void* to, const void* from) {
  typedef typename Word<BYTES>::type word;
  *reinterpret_cast<word*>(to) = *reinterpret_cast<const word*>(from);
}
""",
    "shared_address": """
__device__ __forceinline__ unsigned shared_address(const void* p) { return (unsigned)__cvta_generic_to_shared(p); }
""",
    "copy_async": """
// BYTES bytes from global to shared memory, of which the first `valid` are read and the rest are zero.
template <int BYTES> __device__ __forceinline__ void copy_async(void* to, const void* from, int valid = BYTES) {
  if (BYTES == 16)
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from), "r"(valid)
                 : "memory");
  else
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(shared_address(to)), "l"(from), "n"(BYTES),
                 "r"(valid)
                 : "memory");
}
""",
    "commit_group": """
__device__ __forceinline__ void commit_group() { asm volatile("cp.async.commit_group;" ::: "memory"); }
""",
    "wait_group": """
template <int PENDING> __device__ __forceinline__ void wait_group() {
  asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
}
""",
    "load_matrices": """
// Four 8x8 matrices of 16-bit elements; lane 8 * m + r gives the address of row r of matrix m.
__device__ __forceinline__ void load_matrices(void* to, const void* row) {
  unsigned* w = reinterpret_cast<unsigned*>(to);
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(w[0]), "=r"(w[1]), "=r"(w[2]), "=r"(w[3])
               : "r"(shared_address(row)) : "memory");
}
""",
    "load_matrices_transposed": """
__device__ __forceinline__ void load_matrices_transposed(void* to, const void* row) {
  unsigned* w = reinterpret_cast<unsigned*>(to);
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(w[0]), "=r"(w[1]), "=r"(w[2]), "=r"(w[3])
               : "r"(shared_address(row)) : "memory");
}
""",
    "load_two_matrices": """
__device__ __forceinline__ void load_two_matrices(void* to, const void* row) {
  unsigned* w = reinterpret_cast<unsigned*>(to);
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
               : "=r"(w[0]), "=r"(w[1]) : "r"(shared_address(row)) : "memory");
}
""",
    "load_two_matrices_transposed": """
__device__ __forceinline__ void load_two_matrices_transposed(void* to, const void* row) {
  unsigned* w = reinterpret_cast<unsigned*>(to);
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
               : "=r"(w[0]), "=r"(w[1]) : "r"(shared_address(row)) : "memory");
}
""",
    "mma_m16n8k16": """
// acc += a @ b: one warp, 16x8 += 16x16 @ 16x8.
__device__ __forceinline__ void mma_m16n8k16(float* acc, const f16* a, const f16* b) {
  const unsigned *x = reinterpret_cast<const unsigned*>(a), *y = reinterpret_cast<const unsigned*>(b);
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(acc[0]), "+f"(acc[1]), "+f"(acc[2]), "+f"(acc[3])
      : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(y[0]), "r"(y[1]));
}
__device__ __forceinline__ void mma_m16n8k16(float* acc, const bf16* a, const bf16* b) {
  const unsigned *x = reinterpret_cast<const unsigned*>(a), *y = reinterpret_cast<const unsigned*>(b);
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(acc[0]), "+f"(acc[1]), "+f"(acc[2]), "+f"(acc[3])
      : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(y[0]), "r"(y[1]));
}
""",
    "to_tf32": """
__device__ __forceinline__ unsigned to_tf32(float x) {
  unsigned y;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));
  return y;
}
""",
    "mma_m16n8k8": """
// acc += a @ b: one warp, 16x8 += 16x8 @ 8x8 with operands rounded to tf32.
__device__ __forceinline__ void mma_m16n8k8(float* acc, const float* a, const float* b) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(acc[0]), "+f"(acc[1]), "+f"(acc[2]), "+f"(acc[3])
      : "r"(to_tf32(a[0])), "r"(to_tf32(a[1])), "r"(to_tf32(a[2])), "r"(to_tf32(a[3])),
        "r"(to_tf32(b[0])), "r"(to_tf32(b[1])));
}
""",
    "mma3_m16n8k8": """
// As mma_m16n8k8 with each operand in two tf32 numbers: what is lost is about as small as f32's rounding.
// The instruction ignores the bits of the small numbers that tf32 lacks.
__device__ __forceinline__ void mma_tf32(float* acc, const unsigned* x, const unsigned* y) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(acc[0]), "+f"(acc[1]), "+f"(acc[2]), "+f"(acc[3])
      : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(y[0]), "r"(y[1]));
}
__device__ __forceinline__ void mma3_m16n8k8(float* acc, const float* a, const float* b) {
  unsigned x[4], y[2], dx[4], dy[2];
#pragma unroll
  for (int i = 0; i < 4; ++i) x[i] = to_tf32(a[i]), dx[i] = __float_as_uint(a[i] - __uint_as_float(x[i]));
#pragma unroll
  for (int i = 0; i < 2; ++i) y[i] = to_tf32(b[i]), dy[i] = __float_as_uint(b[i] - __uint_as_float(y[i]));
  mma_tf32(acc, dx, y);
  mma_tf32(acc, x, dy);
  mma_tf32(acc, x, y);
}
""",
    "exp2_approximate": """
__device__ __forceinline__ float exp2_approximate(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
""",
    "exp_approximate": """
__device__ __forceinline__ float exp_approximate(float x) {
  float y;
  asm("ex2.approx.f32 %0, %1;" : "=f"(y) : "f"(x * 1.442695041f));
  return y;
}
""",
    "erf_approximate": """
// 1 - 2^(-t P(t)) of t = |x|, P fitted to the least error of erf; near 0, where that is much of the result, the slope.
__device__ __forceinline__ float erf_approximate(float x) {
  const float t = fabsf(x);
  float p = 4.53576577e-05f;
  p = fmaf(p, t, -4.45499900e-04f);
  p = fmaf(p, t, 1.48941670e-03f);
  p = fmaf(p, t, 7.74669985e-04f);
  p = fmaf(p, t, -2.82537155e-02f);
  p = fmaf(p, t, 1.48481637e-01f);
  p = fmaf(p, t, 9.18416381e-01f);
  p = fmaf(p, t, 1.62790859f);
  const float far = 1.f - exp2_approximate(-t * p);
  return copysignf(t < 0x1p-8f ? t * 1.12837917f : far, x);
}
""",
    "quotient_approximate": """
__device__ __forceinline__ float quotient_approximate(float a, float b) {
  float reciprocal;
  asm("rcp.approx.f32 %0, %1;" : "=f"(reciprocal) : "f"(b));
  return a * reciprocal;
}
""",
    "grid_barrier": """
// All blocks of a cooperative launch; the driver gives each launch a zeroed word to count in.
__device__ __forceinline__ void grid_barrier() {
  __syncthreads();
  if (threadIdx.x == 0) {
    unsigned high, low;
    asm("mov.u32 %0, %%envreg1;" : "=r"(high));
    asm("mov.u32 %0, %%envreg2;" : "=r"(low));
    unsigned* word = reinterpret_cast<unsigned*>((unsigned long long)high << 32 | low) + 1;
    const unsigned blocks = gridDim.x * gridDim.y * gridDim.z;
    const bool first = blockIdx.x + blockIdx.y + blockIdx.z == 0;
    const unsigned add = first ? 0x80000000u - (blocks - 1) : 1;
    unsigned old, now;
    __threadfence();
    asm volatile("atom.add.release.gpu.global.u32 %0, [%1], %2;" : "=r"(old) : "l"(word), "r"(add) : "memory");
    do asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(now) : "l"(word) : "memory");
    while (((old ^ now) & 0x80000000u) == 0);
    __threadfence();
  }
  __syncthreads();
}
""",
    "cluster_barrier": """
// All threads of all blocks of the cluster, their reads of each other's shared memory included.
__device__ __forceinline__ void cluster_barrier() {
  __syncwarp();
  asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
  asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
}
""",
    "cluster_barrier_of_stores": """
// All threads of all blocks of the cluster. Each sees what others have written to their own shared memory; a release of
// everything would wait for stores to global memory too, and for loads.
__device__ __forceinline__ void cluster_barrier_of_stores() {
  __syncwarp();
  asm volatile("fence.release.sync_restrict::shared::cta.cluster;" ::: "memory");
  asm volatile("barrier.cluster.arrive.relaxed.aligned;" ::: "memory");
  asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
}
""",
    "peer_memory": """
// Where a block of the cluster has what this one has at p, in shared memory.
__device__ __forceinline__ const void* peer_memory(const void* p, int rank) {
  const void* there;
  asm("mapa.u64 %0, %1, %2;" : "=l"(there) : "l"(p), "r"(rank));
  return there;
}
""",
    "trigger_dependents": """
__device__ __forceinline__ void trigger_dependents() { asm volatile("griddepcontrol.launch_dependents;" ::: "memory"); }
""",
    "wait_dependencies": """
__device__ __forceinline__ void wait_dependencies() { asm volatile("griddepcontrol.wait;" ::: "memory"); }
""",
    "prefetch_l2": """
__device__ __forceinline__ void prefetch_l2(const void* p) { asm volatile("prefetch.global.L2 [%0];" ::"l"(p)); }
""",
    **warpgroup.PIECES,
}

_SMALL = {"from_small": "to_float", "to_small": "from_float"}
"""Pieces with overloads for floats of 8 and 4 bits, and what they overload."""


@cache
def _functions() -> dict[str, str]:
    """Every function a piece defines, and the piece's name."""
    found: dict[str, str] = {}
    for name, piece in _PIECES.items():
        found.setdefault(name, name)
        for function in re.findall(r"__forceinline__ [\w ]+?\*? ?(\w+)(?:<\w+>)?\(", piece):
            found.setdefault(function, name)
    return found


def prelude(body: str) -> str:
    """The types and functions that `body` uses, in the order of definition."""
    wanted: set[str] = set()
    families = warpgroup.generated(body)
    pending = [body + families]
    while pending:
        words = set(re.findall(r"\w+", pending.pop()))
        for function, piece in _functions().items():
            if function in words and piece not in wanted:
                wanted.add(piece)
                pending.append(_PIECES[piece])
    small = re.search(r"\bf[48]e", body)
    wanted |= {piece for piece, used in _SMALL.items() if small and used in wanted}
    text = "".join(piece for name, piece in _PIECES.items() if name in wanted) + families
    types = "".join(line + "\n" for line in _TYPES.split("\n") if line and re.search(_type_name(line), body + text))
    return types + text


def _type_name(line: str) -> str:
    return r"\b" + re.findall(r"(\w+) \{", line)[0] + r"\b"
