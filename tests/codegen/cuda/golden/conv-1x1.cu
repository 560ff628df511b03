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

__device__ __forceinline__ void commit_group() { asm volatile("cp.async.commit_group;" ::: "memory"); }

template <int PENDING> __device__ __forceinline__ void wait_group() {
  asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
}

// Four 8x8 matrices of 16-bit elements; lane 8 * m + r gives the address of row r of matrix m.
__device__ __forceinline__ void load_matrices(void* to, const void* row) {
  unsigned* w = reinterpret_cast<unsigned*>(to);
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(w[0]), "=r"(w[1]), "=r"(w[2]), "=r"(w[3])
               : "r"(shared_address(row)) : "memory");
}

__device__ __forceinline__ void load_two_matrices_transposed(void* to, const void* row) {
  unsigned* w = reinterpret_cast<unsigned*>(to);
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
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

// conv: no ONNX node
// mma_conv: k = 64, m = 16, n = 32, splits = 1, stages = 2, warps_m = 1, warps_n = 4
extern "C" __global__ void __launch_bounds__(128) conv_kernel(
    const f16* x0,
    const f16* arg,
    const f16* arg_1,
    const f16* x1,
    f16* arg_2)
{
  extern __shared__ __align__(1024) unsigned char shared[];
  const int thread = threadIdx.x;
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
  const int block = (int)blockIdx.x;
  const int block_1 = (int)blockIdx.y;
  const int block_2 = (int)blockIdx.z;
  f16* a_tiles = reinterpret_cast<f16*>(shared + 0);
  f16* b_tiles = reinterpret_cast<f16*>(shared + 4096);
  const int matrix = (lane / 8 % 2) * 8 + lane % 8;
  const int matrix_1 = (lane / 16) * 8;
  const int matrix_2 = warp * 8;
  const int place = lane / 4;
  const int place_1 = (lane / 4) * 64;
  const int place_2 = (lane % 4) * 2 + warp * 8;
  trigger_dependents();
  const int n = block_1 * 16;
  const int at = n + thread / 8;
  const int at_1 = (thread % 8) * 8;
  const int valid = (unsigned)at < 40u ? 16 : 0;
  copy_async<16>(a_tiles + swizzled<128, 2>((thread / 8) * 64 + (thread % 8) * 8), valid ? arg + at * 64 + at_1 : arg, valid);
  wait_dependencies();
  const int n_1 = block * 32;
  #pragma unroll
  for (int i = 0; i < 2; ++i) {
    const int at_2 = thread + i * 128;
    const int at_3 = at_2 / 4;
    const int at_4 = n_1 + (at_2 % 4) * 8;
    copy_async<16>(b_tiles + swizzled<64, 2>((at_2 / 4) * 32 + (at_2 % 4) * 8), x0 + block_2 * 4096 + at_3 * 64 + at_4);
  }
  commit_group();
  alignas(16) float v[4];
  #pragma unroll
  for (int i = 0; i < 4; ++i) {
    v[i] = 0.f;
  }
  for (int n_2 = 0; n_2 < 1; ++n_2) {
    wait_group<0>();
    __syncthreads();
    const int n_3 = n_2 * 64;
    const int n_4 = n_3 + 64;
    const int n_5 = n_2 + 1;
    const int at_5 = n + thread / 8;
    const int at_6 = n_4 + (thread % 8) * 8;
    const int valid_1 = (unsigned)at_5 < 40u && (unsigned)at_6 < 64u ? 16 : 0;
    copy_async<16>(a_tiles + swizzled<128, 2>(n_5 * 1024 + (thread / 8) * 64 + (thread % 8) * 8), valid_1 ? arg + at_5 * 64 + at_6 : arg, valid_1);
    #pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int at_7 = thread + i * 128;
      const int at_8 = n_4 + at_7 / 4;
      const int at_9 = n_1 + (at_7 % 4) * 8;
      const int valid_2 = (unsigned)at_8 < 64u ? 16 : 0;
      copy_async<16>(b_tiles + swizzled<64, 2>(n_5 * 2048 + (at_7 / 4) * 32 + (at_7 % 4) * 8), valid_2 ? x0 + block_2 * 4096 + at_8 * 64 + at_9 : x0, valid_2);
    }
    commit_group();
    const int a_tile = n_2 * 1024;
    const int b_tile = n_2 * 2048;
    alignas(16) f16 a[8];
    load_matrices(&a[0], a_tiles + swizzled<128, 2>(a_tile + matrix * 64 + matrix_1));
    alignas(16) f16 b[4];
    load_two_matrices_transposed(&b[0], b_tiles + swizzled<64, 2>(b_tile + matrix * 32 + matrix_2));
    mma_m16n8k16(&v[0], &a[0], &b[0]);
    alignas(16) f16 a_1[8];
    load_matrices(&a_1[0], a_tiles + swizzled<128, 2>(a_tile + matrix * 64 + matrix_1 + 16));
    alignas(16) f16 b_1[4];
    load_two_matrices_transposed(&b_1[0], b_tiles + swizzled<64, 2>(b_tile + (matrix + 16) * 32 + matrix_2));
    mma_m16n8k16(&v[0], &a_1[0], &b_1[0]);
    alignas(16) f16 a_2[8];
    load_matrices(&a_2[0], a_tiles + swizzled<128, 2>(a_tile + matrix * 64 + matrix_1 + 32));
    alignas(16) f16 b_2[4];
    load_two_matrices_transposed(&b_2[0], b_tiles + swizzled<64, 2>(b_tile + (matrix + 32) * 32 + matrix_2));
    mma_m16n8k16(&v[0], &a_2[0], &b_2[0]);
    alignas(16) f16 a_3[8];
    load_matrices(&a_3[0], a_tiles + swizzled<128, 2>(a_tile + matrix * 64 + matrix_1 + 48));
    alignas(16) f16 b_3[4];
    load_two_matrices_transposed(&b_3[0], b_tiles + swizzled<64, 2>(b_tile + (matrix + 48) * 32 + matrix_2));
    mma_m16n8k16(&v[0], &a_3[0], &b_3[0]);
  }
  alignas(16) f16 v_1[2];
  #pragma unroll
  for (int i = 0; i < 2; ++i) {
    const int at_10 = n + place + i * 8;
    v_1[i] = (unsigned)at_10 < 40u ? *(arg_1 + at_10) : from_float<f16>(0.f);
  }
  const int n_6 = block_1 * 1024;
  const int n_7 = n_1 + n_6;
  const int n_8 = block_2 * 2560;
  const int n_9 = n_7 + n_8;
  alignas(16) float v_2[2];
  #pragma unroll
  for (int i = 0; i < 2; ++i) {
    v_2[i] = to_float(v_1[i]);
  }
  alignas(16) float v_3[4];
  #pragma unroll
  for (int i = 0; i < 4; ++i) {
    v_3[i] = v[i] + v_2[i / 2];
  }
  alignas(16) f16 v_4[4];
  #pragma unroll
  for (int i = 0; i < 4; i += 2) {
    const int at_11 = n_9 + place_1 + (i / 2) * 512 + place_2;
    if ((unsigned)at_11 < 5120u) {
      move<4>(&v_4[i], x1 + at_11);
    }
    else {
      #pragma unroll
      for (int j = 0; j < 2; ++j) {
        v_4[i + j] = from_float<f16>(0.f);
      }
    }
  }
  alignas(16) f16 v_5[4];
  #pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float x = to_float(v_4[i]);
    const float x_1 = v_3[i] + x;
    const float x_2 = maximum(x_1, 0.f);
    v_5[i] = from_float<f16>(x_2);
  }
  #pragma unroll
  for (int i = 0; i < 4; i += 2) {
    const int at_12 = n + place + (i / 2) * 8;
    const int at_13 = n_1 + place_2;
    if ((unsigned)at_12 < 40u) {
      move<4>(arg_2 + block_2 * 2560 + at_12 * 64 + at_13, &v_5[i]);
    }
  }
}
