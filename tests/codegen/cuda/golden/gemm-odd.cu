struct alignas(2) f16 { unsigned short bits; };
struct alignas(2) bf16 { unsigned short bits; };

__device__ __forceinline__ float to_float(f16 x) {
  float y;
  asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
  return y;
}
__device__ __forceinline__ float to_float(bf16 x) { return __uint_as_float((unsigned)x.bits << 16); }
__device__ __forceinline__ float to_float(float x) { return x; }

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

__device__ __forceinline__ float maximum(float a, float b) {
  float c;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(c) : "f"(a), "f"(b));
  return c;
}
__device__ __forceinline__ double maximum(double a, double b) { return a != a || a > b ? a : b; }

// The 16-byte chunks within SPAN bytes are permuted by the address of their 128-byte line, as TMA and wgmma do.
template <int SPAN, int ELEMENT> __device__ __forceinline__ int swizzled(int offset) {
  return offset ^ ((offset * ELEMENT >> 7 & (SPAN / 16 - 1)) << 4) / ELEMENT;
}

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

__device__ __forceinline__ unsigned shared_address(const void* p) { return (unsigned)__cvta_generic_to_shared(p); }

// Four 8x8 matrices of 16-bit elements; lane 8 * m + r gives the address of row r of matrix m.
__device__ __forceinline__ void load_matrices(void* to, const void* row) {
  unsigned* w = reinterpret_cast<unsigned*>(to);
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(w[0]), "=r"(w[1]), "=r"(w[2]), "=r"(w[3])
               : "r"(shared_address(row)) : "memory");
}

__device__ __forceinline__ void load_two_matrices(void* to, const void* row) {
  unsigned* w = reinterpret_cast<unsigned*>(to);
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
               : "=r"(w[0]), "=r"(w[1]) : "r"(shared_address(row)) : "memory");
}

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

__device__ __forceinline__ void trigger_dependents() { asm volatile("griddepcontrol.launch_dependents;" ::: "memory"); }

__device__ __forceinline__ void wait_dependencies() { asm volatile("griddepcontrol.wait;" ::: "memory"); }

// matmul: no ONNX node
// mma_gemm: k = 64, m = 16, n = 32, splits = 1, stages = 2, warps_m = 1, warps_n = 4
extern "C" __global__ void __launch_bounds__(128) matmul_kernel(
    const bf16* x0,
    const bf16* x1,
    const bf16* arg,
    const bf16* x2,
    bf16* arg_1)
{
  extern __shared__ __align__(1024) unsigned char shared[];
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
  const int block = (int)blockIdx.x;
  const int block_1 = (int)blockIdx.y;
  bf16* a_tiles = reinterpret_cast<bf16*>(shared + 0);
  bf16* b_tiles = reinterpret_cast<bf16*>(shared + 4096);
  const int place = lane * 2;
  const int place_1 = warp / 2;
  const int place_2 = lane + (warp % 2) * 32;
  const int matrix = (lane / 8 % 2) * 8 + lane % 8;
  const int matrix_1 = (lane / 16) * 8;
  const int matrix_2 = warp * 8 + lane % 8;
  const int matrix_3 = (lane / 8 % 2) * 8;
  const int place_3 = (lane % 4) * 2 + warp * 8;
  const int place_4 = lane / 4;
  trigger_dependents();
  wait_dependencies();
  const int n = block_1 * 16;
  alignas(16) bf16 v[8];
  #pragma unroll
  for (int i = 0; i < 8; ++i) {
    const int at = n + warp + (i / 2) * 4;
    const int at_1 = place + i % 2;
    v[i] = (unsigned)at < 65u && (unsigned)at_1 < 47u ? *(x0 + at * 47 + at_1) : from_float<bf16>(0.f);
  }
  const int n_1 = block * 32;
  alignas(16) bf16 v_1[16];
  #pragma unroll
  for (int i = 0; i < 16; ++i) {
    const int at_2 = n_1 + place_1 + i * 2;
    v_1[i] = (unsigned)at_2 < 41u && (unsigned)place_2 < 47u ? *(x1 + at_2 * 47 + place_2) : from_float<bf16>(0.f);
  }
  #pragma unroll
  for (int i = 0; i < 8; i += 2) {
    const int at_3 = warp + (i / 2) * 4;
    move<4>(a_tiles + swizzled<128, 2>(at_3 * 64 + place), &v[i]);
  }
  #pragma unroll
  for (int i = 0; i < 16; ++i) {
    const int at_4 = place_1 + i * 2;
    *(b_tiles + swizzled<128, 2>(at_4 * 64 + place_2)) = v_1[i];
  }
  alignas(16) float v_2[4];
  #pragma unroll
  for (int i = 0; i < 4; ++i) {
    v_2[i] = 0.f;
  }
  for (int n_2 = 0; n_2 < 1; ++n_2) {
    __syncthreads();
    const int n_3 = n_2 * 64;
    const int n_4 = n_3 + 64;
    alignas(16) bf16 v_3[8];
    #pragma unroll
    for (int i = 0; i < 8; ++i) {
      const int at_5 = n + warp + (i / 2) * 4;
      const int at_6 = n_4 + place + i % 2;
      v_3[i] = (unsigned)at_5 < 65u && (unsigned)at_6 < 47u ? *(x0 + at_5 * 47 + at_6) : from_float<bf16>(0.f);
    }
    alignas(16) bf16 v_4[16];
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
      const int at_7 = n_1 + place_1 + i * 2;
      const int at_8 = n_4 + place_2;
      v_4[i] = (unsigned)at_7 < 41u && (unsigned)at_8 < 47u ? *(x1 + at_7 * 47 + at_8) : from_float<bf16>(0.f);
    }
    const int a_tile = n_2 * 1024;
    const int b_tile = n_2 * 2048;
    alignas(16) bf16 a[8];
    load_matrices(&a[0], a_tiles + swizzled<128, 2>(a_tile + matrix * 64 + matrix_1));
    alignas(16) bf16 b[4];
    load_two_matrices(&b[0], b_tiles + swizzled<128, 2>(b_tile + matrix_2 * 64 + matrix_3));
    mma_m16n8k16(&v_2[0], &a[0], &b[0]);
    alignas(16) bf16 a_1[8];
    load_matrices(&a_1[0], a_tiles + swizzled<128, 2>(a_tile + matrix * 64 + matrix_1 + 16));
    alignas(16) bf16 b_1[4];
    load_two_matrices(&b_1[0], b_tiles + swizzled<128, 2>(b_tile + matrix_2 * 64 + matrix_3 + 16));
    mma_m16n8k16(&v_2[0], &a_1[0], &b_1[0]);
    alignas(16) bf16 a_2[8];
    load_matrices(&a_2[0], a_tiles + swizzled<128, 2>(a_tile + matrix * 64 + matrix_1 + 32));
    alignas(16) bf16 b_2[4];
    load_two_matrices(&b_2[0], b_tiles + swizzled<128, 2>(b_tile + matrix_2 * 64 + matrix_3 + 32));
    mma_m16n8k16(&v_2[0], &a_2[0], &b_2[0]);
    alignas(16) bf16 a_3[8];
    load_matrices(&a_3[0], a_tiles + swizzled<128, 2>(a_tile + matrix * 64 + matrix_1 + 48));
    alignas(16) bf16 b_3[4];
    load_two_matrices(&b_3[0], b_tiles + swizzled<128, 2>(b_tile + matrix_2 * 64 + matrix_3 + 48));
    mma_m16n8k16(&v_2[0], &a_3[0], &b_3[0]);
    const int n_5 = n_2 + 1;
    #pragma unroll
    for (int i = 0; i < 8; i += 2) {
      const int at_9 = warp + (i / 2) * 4;
      move<4>(a_tiles + swizzled<128, 2>(n_5 * 1024 + at_9 * 64 + place), &v_3[i]);
    }
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
      const int at_10 = place_1 + i * 2;
      *(b_tiles + swizzled<128, 2>(n_5 * 2048 + at_10 * 64 + place_2)) = v_4[i];
    }
  }
  alignas(16) bf16 v_5[2];
  #pragma unroll
  for (int i = 0; i < 2; ++i) {
    const int at_11 = n_1 + place_3 + i;
    v_5[i] = (unsigned)at_11 < 41u ? *(arg + at_11) : from_float<bf16>(0.f);
  }
  alignas(16) float v_6[2];
  #pragma unroll
  for (int i = 0; i < 2; ++i) {
    v_6[i] = to_float(v_5[i]);
  }
  alignas(16) float v_7[4];
  #pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float x = v_2[i] + v_6[i % 2];
    v_7[i] = maximum(x, 0.f);
  }
  alignas(16) bf16 v_8[4];
  #pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int at_12 = n + place_4 + (i / 2) * 8;
    const int at_13 = n_1 + place_3 + i % 2;
    v_8[i] = (unsigned)at_12 < 65u && (unsigned)at_13 < 41u ? *(x2 + at_12 * 41 + at_13) : from_float<bf16>(0.f);
  }
  alignas(16) bf16 v_9[4];
  #pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float x_1 = to_float(v_8[i]);
    const float x_2 = v_7[i] + x_1;
    v_9[i] = from_float<bf16>(x_2);
  }
  #pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int at_14 = n + place_4 + (i / 2) * 8;
    const int at_15 = n_1 + place_3 + i % 2;
    if ((unsigned)at_14 < 65u && (unsigned)at_15 < 41u) *(arg_1 + at_14 * 41 + at_15) = v_9[i];
  }
}
