
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

__device__ __forceinline__ unsigned to_tf32(float x) {
  unsigned y;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));
  return y;
}

// acc += a @ b: one warp, 16x8 += 16x8 @ 8x8 with operands rounded to tf32.
__device__ __forceinline__ void mma_m16n8k8(float* acc, const float* a, const float* b) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(acc[0]), "+f"(acc[1]), "+f"(acc[2]), "+f"(acc[3])
      : "r"(to_tf32(a[0])), "r"(to_tf32(a[1])), "r"(to_tf32(a[2])), "r"(to_tf32(a[3])),
        "r"(to_tf32(b[0])), "r"(to_tf32(b[1])));
}

__device__ __forceinline__ void trigger_dependents() { asm volatile("griddepcontrol.launch_dependents;" ::: "memory"); }

__device__ __forceinline__ void wait_dependencies() { asm volatile("griddepcontrol.wait;" ::: "memory"); }

// matmul: no ONNX node
// mma_gemm: k = 32, m = 16, n = 32, splits = 1, stages = 3, warps_m = 1, warps_n = 4
extern "C" __global__ void __launch_bounds__(128) matmul_kernel(
    const float* x0,
    const float* x1,
    const float* arg,
    const float* x2,
    float* arg_1)
{
  extern __shared__ __align__(1024) unsigned char shared[];
  const int thread = threadIdx.x;
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
  const int block = (int)blockIdx.x;
  const int block_1 = (int)blockIdx.y;
  float* a_tiles = reinterpret_cast<float*>(shared + 0);
  float* b_tiles = reinterpret_cast<float*>(shared + 6144);
  const int matrix = (lane / 8 % 2) * 8 + lane % 8;
  const int matrix_1 = (lane / 16) * 4;
  const int place = lane % 4;
  const int place_1 = lane / 4 + warp * 8;
  const int place_2 = (lane % 4) * 2 + warp * 8;
  const int place_3 = lane / 4;
  trigger_dependents();
  wait_dependencies();
  const int n = block_1 * 16;
  #pragma unroll
  for (int i = 0; i < 2; ++i) {
    const int at = thread + i * 128;
    const int at_1 = n + at / 16;
    const int at_2 = (at % 16) * 2;
    const int valid = (unsigned)at_1 < 77u ? 8 : 0;
    copy_async<8>(a_tiles + swizzled<128, 4>((at / 16) * 32 + (at % 16) * 2), valid ? x0 + at_1 * 50 + at_2 : x0, valid);
  }
  const int n_1 = block * 32;
  #pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int at_3 = thread + i * 128;
    const int at_4 = at_3 / 16;
    const int at_5 = n_1 + (at_3 % 16) * 2;
    const int valid_1 = (unsigned)at_5 < 130u ? 8 : 0;
    copy_async<8>(b_tiles + swizzled<128, 4>((at_3 / 16) * 32 + (at_3 % 16) * 2), valid_1 ? x1 + at_4 * 130 + at_5 : x1, valid_1);
  }
  commit_group();
  #pragma unroll
  for (int i = 0; i < 2; ++i) {
    const int at_6 = thread + i * 128;
    const int at_7 = n + at_6 / 16;
    const int at_8 = (at_6 % 16) * 2 + 32;
    const int valid_2 = (unsigned)at_7 < 77u && (unsigned)at_8 < 50u ? 8 : 0;
    copy_async<8>(a_tiles + swizzled<128, 4>((at_6 / 16) * 32 + (at_6 % 16) * 2 + 512), valid_2 ? x0 + at_7 * 50 + at_8 : x0, valid_2);
  }
  #pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int at_9 = thread + i * 128;
    const int at_10 = at_9 / 16 + 32;
    const int at_11 = n_1 + (at_9 % 16) * 2;
    const int valid_3 = (unsigned)at_10 < 50u && (unsigned)at_11 < 130u ? 8 : 0;
    copy_async<8>(b_tiles + swizzled<128, 4>((at_9 / 16) * 32 + (at_9 % 16) * 2 + 1024), valid_3 ? x1 + at_10 * 130 + at_11 : x1, valid_3);
  }
  commit_group();
  alignas(16) float v[4];
  #pragma unroll
  for (int i = 0; i < 4; ++i) {
    v[i] = 0.f;
  }
  for (int n_2 = 0; n_2 < 2; ++n_2) {
    wait_group<1>();
    __syncthreads();
    const int n_3 = n_2 * 32;
    const int n_4 = n_3 + 64;
    const int n_5 = n_2 + 2;
    const int n_6 = (int)((unsigned)n_5 / (unsigned)3);
    const int n_7 = n_6 * (-3);
    const int n_8 = n_2 + n_7;
    const int n_9 = n_8 + 2;
    #pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int at_12 = thread + i * 128;
      const int at_13 = n + at_12 / 16;
      const int at_14 = n_4 + (at_12 % 16) * 2;
      const int valid_4 = (unsigned)at_13 < 77u && (unsigned)at_14 < 50u ? 8 : 0;
      copy_async<8>(a_tiles + swizzled<128, 4>(n_9 * 512 + (at_12 / 16) * 32 + (at_12 % 16) * 2), valid_4 ? x0 + at_13 * 50 + at_14 : x0, valid_4);
    }
    #pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int at_15 = thread + i * 128;
      const int at_16 = n_4 + at_15 / 16;
      const int at_17 = n_1 + (at_15 % 16) * 2;
      const int valid_5 = (unsigned)at_16 < 50u && (unsigned)at_17 < 130u ? 8 : 0;
      copy_async<8>(b_tiles + swizzled<128, 4>(n_9 * 1024 + (at_15 / 16) * 32 + (at_15 % 16) * 2), valid_5 ? x1 + at_16 * 130 + at_17 : x1, valid_5);
    }
    commit_group();
    const int a_tile = n_2 * 512;
    const int b_tile = n_2 * 1024;
    alignas(16) float a[4];
    load_matrices(&a[0], a_tiles + swizzled<128, 4>(a_tile + matrix * 32 + matrix_1));
    alignas(16) float b[2];
    #pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int at_18 = place + i * 4;
      b[i] = *(b_tiles + swizzled<128, 4>(b_tile + at_18 * 32 + place_1));
    }
    mma_m16n8k8(&v[0], &a[0], &b[0]);
    alignas(16) float a_1[4];
    load_matrices(&a_1[0], a_tiles + swizzled<128, 4>(a_tile + matrix * 32 + matrix_1 + 8));
    alignas(16) float b_1[2];
    #pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int at_19 = place + i * 4 + 8;
      b_1[i] = *(b_tiles + swizzled<128, 4>(b_tile + at_19 * 32 + place_1));
    }
    mma_m16n8k8(&v[0], &a_1[0], &b_1[0]);
    alignas(16) float a_2[4];
    load_matrices(&a_2[0], a_tiles + swizzled<128, 4>(a_tile + matrix * 32 + matrix_1 + 16));
    alignas(16) float b_2[2];
    #pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int at_20 = place + i * 4 + 16;
      b_2[i] = *(b_tiles + swizzled<128, 4>(b_tile + at_20 * 32 + place_1));
    }
    mma_m16n8k8(&v[0], &a_2[0], &b_2[0]);
    alignas(16) float a_3[4];
    load_matrices(&a_3[0], a_tiles + swizzled<128, 4>(a_tile + matrix * 32 + matrix_1 + 24));
    alignas(16) float b_3[2];
    #pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int at_21 = place + i * 4 + 24;
      b_3[i] = *(b_tiles + swizzled<128, 4>(b_tile + at_21 * 32 + place_1));
    }
    mma_m16n8k8(&v[0], &a_3[0], &b_3[0]);
  }
  alignas(16) float v_1[2];
  const int at_22 = n_1 + place_2;
  if ((unsigned)at_22 < 130u) {
    move<8>(&v_1[0], arg + at_22);
  }
  else {
    #pragma unroll
    for (int j = 0; j < 2; ++j) {
      v_1[j] = 0.f;
    }
  }
  alignas(16) float v_2[4];
  #pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float x = v[i] + v_1[i % 2];
    v_2[i] = maximum(x, 0.f);
  }
  alignas(16) float v_3[4];
  #pragma unroll
  for (int i = 0; i < 4; i += 2) {
    const int at_23 = n + place_3 + (i / 2) * 8;
    const int at_24 = n_1 + place_2;
    if ((unsigned)at_23 < 77u && (unsigned)at_24 < 130u) {
      move<8>(&v_3[i], x2 + at_23 * 130 + at_24);
    }
    else {
      #pragma unroll
      for (int j = 0; j < 2; ++j) {
        v_3[i + j] = 0.f;
      }
    }
  }
  alignas(16) float v_4[4];
  #pragma unroll
  for (int i = 0; i < 4; ++i) {
    v_4[i] = v_2[i] + v_3[i];
  }
  #pragma unroll
  for (int i = 0; i < 4; i += 2) {
    const int at_25 = n + place_3 + (i / 2) * 8;
    const int at_26 = n_1 + place_2;
    if ((unsigned)at_25 < 77u && (unsigned)at_26 < 130u) {
      move<8>(arg_1 + at_25 * 130 + at_26, &v_4[i]);
    }
  }
}
