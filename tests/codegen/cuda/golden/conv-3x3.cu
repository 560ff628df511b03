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

template <class T> __device__ __forceinline__ T floordiv(T a, T b) {
  const T q = a / b;
  return q - (T)(q * b != a && (a < 0) != (b < 0));
}

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

// All threads of all blocks of the cluster, their reads of each other's shared memory included.
__device__ __forceinline__ void cluster_barrier() {
  __syncwarp();
  asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
  asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
}

// Where a block of the cluster has what this one has at p, in shared memory.
__device__ __forceinline__ const void* peer_memory(const void* p, int rank) {
  const void* there;
  asm("mapa.u64 %0, %1, %2;" : "=l"(there) : "l"(p), "r"(rank));
  return there;
}

__device__ __forceinline__ void trigger_dependents() { asm volatile("griddepcontrol.launch_dependents;" ::: "memory"); }

__device__ __forceinline__ void wait_dependencies() { asm volatile("griddepcontrol.wait;" ::: "memory"); }

__device__ __forceinline__ void arrive(unsigned long long* barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
}

// conv: no ONNX node
// mma_conv: k = 64, m = 16, n = 32, splits = 4, stages = 3, warps_m = 1, warps_n = 4
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
  f16* b_tiles = reinterpret_cast<f16*>(shared + 6144);
  const int place = lane / 16 + warp * 2;
  const int place_1 = (lane % 16) * 2;
  const int matrix = (lane / 8 % 2) * 8 + lane % 8;
  const int matrix_1 = (lane / 16) * 8;
  const int matrix_2 = warp * 8;
  float* sums = reinterpret_cast<float*>(shared + 18432);
  const int place_2 = lane / 4;
  const int place_3 = (lane % 4) * 2 + warp * 8;
  const int place_4 = warp * 196;
  trigger_dependents();
  const int n = block_1 * 16;
  const int n_1 = block * 192;
  const int n_2 = (int)((unsigned)block / (unsigned)4);
  const int n_3 = n_2 * (-768);
  const int n_4 = n_1 + n_3;
  const int at = n + thread / 8;
  const int at_1 = n_4 + (thread % 8) * 8;
  const int valid = (unsigned)at_1 < 576u ? 16 : 0;
  copy_async<16>(a_tiles + swizzled<128, 2>((thread / 8) * 64 + (thread % 8) * 8), valid ? arg + at * 576 + at_1 : arg, valid);
  const int n_5 = n_4 + 64;
  const int at_2 = n + thread / 8;
  const int at_3 = n_5 + (thread % 8) * 8;
  const int valid_1 = (unsigned)at_3 < 576u ? 16 : 0;
  copy_async<16>(a_tiles + swizzled<128, 2>((thread / 8) * 64 + (thread % 8) * 8 + 1024), valid_1 ? arg + at_2 * 576 + at_3 : arg, valid_1);
  wait_dependencies();
  commit_group();
  commit_group();
  const int n_6 = block_2 * 12544;
  const int n_7 = n_2 * 32;
  const int n_8 = n_6 + n_7;
  const int n_9 = block * 3;
  const int n_10 = n_2 * (-12);
  const int n_11 = n_9 + n_10;
  const int n_12 = min(n_11, 8);
  const int n_13 = n_12 * 64;
  const int n_14 = floordiv(n_13, 192);
  const int n_15 = n_14 * 11;
  const int n_16 = n_8 + n_15;
  const int n_17 = n_16 + n_12;
  const int n_18 = n_17 + (-15);
  const int n_19 = n_14 + (-1);
  const int n_20 = n_14 * (-3);
  const int n_21 = n_7 + n_20;
  const int n_22 = n_21 + n_12;
  const int n_23 = n_22 + (-1);
  alignas(16) int v_4[8];
  alignas(16) int v[8];
  #pragma unroll
  for (int i = 0; i < 8; ++i) {
    v_4[i] = (place + i * 8) * 196;
    v[i] = n_18 + v_4[i];
  }
  alignas(16) int v_5[16];
  #pragma unroll
  for (int i = 0; i < 16; ++i) {
    v_5[i] = v[i / 2] + (place_1 + (i % 2));
  }
  alignas(16) int v_6[2];
  bool v_1[2];
  alignas(16) int v_7[2];
  bool v_2[2];
  bool v_3[2];
  #pragma unroll
  for (int i = 0; i < 2; ++i) {
    const int x = n_7 + (place_1 + i);
    v_6[i] = (int)((unsigned)x / (unsigned)14);
    const int x_1 = n_19 + v_6[i];
    v_1[i] = (unsigned)x_1 < (unsigned)14;
    const int x_2 = n_23 + (place_1 + i);
    v_7[i] = v_6[i] * (-14);
    const int x_3 = x_2 + v_7[i];
    v_2[i] = (unsigned)x_3 < (unsigned)14;
    v_3[i] = x < 196;
  }
  alignas(16) f16 v_8[16];
  #pragma unroll
  for (int i = 0; i < 16; ++i) {
    const bool x_4 = (bool)(v_1[i % 2] & v_2[i % 2]);
    const bool x_5 = (bool)(x_4 & v_3[i % 2]);
    v_8[i] = x_5 ? *(x0 + v_5[i]) : from_float<f16>(0.f);
  }
  #pragma unroll
  for (int i = 0; i < 16; i += 2) {
    const int at_4 = place + (i / 2) * 8;
    move<4>(b_tiles + swizzled<64, 2>(at_4 * 32 + place_1), &v_8[i]);
  }
  const int n_24 = block * (-3);
  const int n_25 = n_2 * 12;
  const int n_26 = n_24 + n_25;
  const int n_27 = n_26 + 9;
  const int n_28 = min(n_27, 3);
  alignas(16) float v_9[4];
  #pragma unroll
  for (int i = 0; i < 4; ++i) {
    v_9[i] = 0.f;
  }
  for (int n_29 = 0; n_29 < n_28; ++n_29) {
    wait_group<1>();
    __syncthreads();
    const int n_30 = n_29 * 64;
    const int n_31 = n_1 + n_30;
    const int n_32 = n_31 + n_3;
    const int n_33 = n_32 + 128;
    const int n_34 = n_29 + 2;
    const int n_35 = (int)((unsigned)n_34 / (unsigned)3);
    const int n_36 = n_35 * (-3);
    const int n_37 = n_29 + n_36;
    const int n_38 = n_37 + 2;
    const int at_5 = n + thread / 8;
    const int at_6 = n_33 + (thread % 8) * 8;
    const int valid_2 = (unsigned)at_6 < 576u ? 16 : 0;
    copy_async<16>(a_tiles + swizzled<128, 2>(n_38 * 1024 + (thread / 8) * 64 + (thread % 8) * 8), valid_2 ? arg + at_5 * 576 + at_6 : arg, valid_2);
    commit_group();
    const int n_39 = n_9 + n_29;
    const int n_40 = n_39 + n_10;
    const int n_41 = n_40 + 1;
    const int n_42 = min(n_41, 8);
    const int n_43 = n_42 * 64;
    const int n_44 = floordiv(n_43, 192);
    const int n_45 = n_44 * 11;
    const int n_46 = n_8 + n_45;
    const int n_47 = n_46 + n_42;
    const int n_48 = n_47 + (-15);
    const int n_49 = n_44 + (-1);
    const int n_50 = n_44 * (-3);
    const int n_51 = n_7 + n_50;
    const int n_52 = n_51 + n_42;
    const int n_53 = n_52 + (-1);
    const int a_tile = n_29 * 1024;
    const int b_tile = n_29 * 2048;
    alignas(16) int v_10[8];
    #pragma unroll
    for (int i = 0; i < 8; ++i) {
      v_10[i] = n_48 + v_4[i];
    }
    alignas(16) int v_13[16];
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
      v_13[i] = v_10[i / 2] + (place_1 + (i % 2));
    }
    bool v_11[2];
    bool v_12[2];
    #pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int x_6 = n_49 + v_6[i];
      v_11[i] = (unsigned)x_6 < (unsigned)14;
      const int x_7 = n_53 + (place_1 + i);
      const int x_8 = x_7 + v_7[i];
      v_12[i] = (unsigned)x_8 < (unsigned)14;
    }
    alignas(16) f16 v_14[16];
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
      const bool x_9 = (bool)(v_11[i % 2] & v_12[i % 2]);
      const bool x_10 = (bool)(x_9 & v_3[i % 2]);
      v_14[i] = x_10 ? *(x0 + v_13[i]) : from_float<f16>(0.f);
    }
    alignas(16) f16 a[8];
    load_matrices(&a[0], a_tiles + swizzled<128, 2>(a_tile + matrix * 64 + matrix_1));
    alignas(16) f16 b[4];
    load_two_matrices_transposed(&b[0], b_tiles + swizzled<64, 2>(b_tile + matrix * 32 + matrix_2));
    mma_m16n8k16(&v_9[0], &a[0], &b[0]);
    alignas(16) f16 a_1[8];
    load_matrices(&a_1[0], a_tiles + swizzled<128, 2>(a_tile + matrix * 64 + matrix_1 + 16));
    alignas(16) f16 b_1[4];
    load_two_matrices_transposed(&b_1[0], b_tiles + swizzled<64, 2>(b_tile + (matrix + 16) * 32 + matrix_2));
    mma_m16n8k16(&v_9[0], &a_1[0], &b_1[0]);
    alignas(16) f16 a_2[8];
    load_matrices(&a_2[0], a_tiles + swizzled<128, 2>(a_tile + matrix * 64 + matrix_1 + 32));
    alignas(16) f16 b_2[4];
    load_two_matrices_transposed(&b_2[0], b_tiles + swizzled<64, 2>(b_tile + (matrix + 32) * 32 + matrix_2));
    mma_m16n8k16(&v_9[0], &a_2[0], &b_2[0]);
    alignas(16) f16 a_3[8];
    load_matrices(&a_3[0], a_tiles + swizzled<128, 2>(a_tile + matrix * 64 + matrix_1 + 48));
    alignas(16) f16 b_3[4];
    load_two_matrices_transposed(&b_3[0], b_tiles + swizzled<64, 2>(b_tile + (matrix + 48) * 32 + matrix_2));
    mma_m16n8k16(&v_9[0], &a_3[0], &b_3[0]);
    const int n_54 = n_29 + 1;
    const int n_55 = (int)((unsigned)n_54 / (unsigned)3);
    const int n_56 = n_55 * (-3);
    const int n_57 = n_29 + n_56;
    const int n_58 = n_57 + 1;
    #pragma unroll
    for (int i = 0; i < 16; i += 2) {
      const int at_7 = place + (i / 2) * 8;
      move<4>(b_tiles + swizzled<64, 2>(n_58 * 2048 + at_7 * 32 + place_1), &v_14[i]);
    }
  }
  #pragma unroll
  for (int i = 0; i < 4; i += 2) {
    const int at_8 = place_2 + (i / 2) * 8;
    move<8>(sums + at_8 * 40 + place_3, &v_9[i]);
  }
  cluster_barrier();
  const float* sums_1 = reinterpret_cast<const float*>(peer_memory(sums, 0));
  const int n_59 = block * 4;
  const int n_60 = n_2 * (-16);
  const int n_61 = n_59 + n_60;
  alignas(16) float v_15[1];
  const int at_9 = n_61 + warp;
  v_15[0] = *(sums_1 + at_9 * 40 + lane);
  const float* sums_2 = reinterpret_cast<const float*>(peer_memory(sums, 1));
  alignas(16) float v_16[1];
  const int at_10 = n_61 + warp;
  v_16[0] = *(sums_2 + at_10 * 40 + lane);
  const float* sums_3 = reinterpret_cast<const float*>(peer_memory(sums, 2));
  alignas(16) float v_17[1];
  v_17[0] = v_15[0] + v_16[0];
  alignas(16) float v_18[1];
  const int at_11 = n_61 + warp;
  v_18[0] = *(sums_3 + at_11 * 40 + lane);
  const float* sums_4 = reinterpret_cast<const float*>(peer_memory(sums, 3));
  alignas(16) float v_19[1];
  v_19[0] = v_17[0] + v_18[0];
  alignas(16) float v_20[1];
  const int at_12 = n_61 + warp;
  v_20[0] = *(sums_4 + at_12 * 40 + lane);
  alignas(16) float v_21[1];
  v_21[0] = v_19[0] + v_20[0];
  cluster_barrier();
  const int n_62 = n_59 + n;
  const int n_63 = n_62 + n_60;
  f16 v_22[1];
  const int at_13 = n_63 + warp;
  v_22[0] = *(arg_1 + at_13);
  const int n_64 = block * 784;
  const int n_65 = block_1 * 3136;
  const int n_66 = n_64 + n_65;
  const int n_67 = n_2 * (-3104);
  const int n_68 = n_66 + n_67;
  alignas(16) float v_24[1];
  const float x_11 = to_float(v_22[0]);
  v_24[0] = v_21[0] + x_11;
  f16 v_25[1];
  const int at_14 = n_68 + place_4 + lane;
  v_25[0] = (unsigned)at_14 < 9408u ? *(x1 + at_14) : from_float<f16>(0.f);
  f16 v_26[1];
  const float x_12 = to_float(v_25[0]);
  const float x_13 = v_24[0] + x_12;
  const float x_14 = maximum(x_13, 0.f);
  v_26[0] = from_float<f16>(x_14);
  const int at_15 = n_63 + warp;
  const int at_16 = n_7 + lane;
  if ((unsigned)at_16 < 196u) *(arg_2 + block_2 * 9408 + at_15 * 196 + at_16) = v_26[0];
}
