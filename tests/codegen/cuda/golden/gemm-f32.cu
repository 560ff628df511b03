
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

__device__ __forceinline__ void trigger_dependents() { asm volatile("griddepcontrol.launch_dependents;" ::: "memory"); }

__device__ __forceinline__ void wait_dependencies() { asm volatile("griddepcontrol.wait;" ::: "memory"); }

// matmul: no ONNX node
// mma_gemm: k = 32, m = 32, n = 32, splits = 1, stages = 3, warps_m = 2, warps_n = 2
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
  float* b_tiles = reinterpret_cast<float*>(shared + 12288);
  const int place = lane / 8 + (warp % 2) * 4;
  const int place_1 = (lane % 8) * 4;
  trigger_dependents();
  wait_dependencies();
  const int n = block_1 * 32;
  #pragma unroll
  for (int i = 0; i < 4; ++i) {
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
  for (int i = 0; i < 4; ++i) {
    const int at_6 = thread + i * 128;
    const int at_7 = n + at_6 / 16;
    const int at_8 = (at_6 % 16) * 2 + 32;
    const int valid_2 = (unsigned)at_7 < 77u && (unsigned)at_8 < 50u ? 8 : 0;
    copy_async<8>(a_tiles + swizzled<128, 4>((at_6 / 16) * 32 + (at_6 % 16) * 2 + 1024), valid_2 ? x0 + at_7 * 50 + at_8 : x0, valid_2);
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
  alignas(16) float v[16];
  #pragma unroll
  for (int i = 0; i < 16; ++i) {
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
    for (int i = 0; i < 4; ++i) {
      const int at_12 = thread + i * 128;
      const int at_13 = n + at_12 / 16;
      const int at_14 = n_4 + (at_12 % 16) * 2;
      const int valid_4 = (unsigned)at_13 < 77u && (unsigned)at_14 < 50u ? 8 : 0;
      copy_async<8>(a_tiles + swizzled<128, 4>(n_9 * 1024 + (at_12 / 16) * 32 + (at_12 % 16) * 2), valid_4 ? x0 + at_13 * 50 + at_14 : x0, valid_4);
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
    const int a_tile = n_2 * 1024;
    const int b_tile = n_2 * 1024;
    alignas(16) float a[16];
    #pragma unroll
    for (int i = 0; i < 16; i += 4) {
      const int at_18 = place + (i / 4) * 8;
      move<16>(&a[i], a_tiles + swizzled<128, 4>(a_tile + at_18 * 32));
    }
    alignas(16) float b[16];
    #pragma unroll
    for (int i = 0; i < 16; i += 4) {
      const int at_19 = i / 4;
      move<16>(&b[i], b_tiles + swizzled<128, 4>(b_tile + at_19 * 32 + place_1));
    }
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
      v[i] += a[(i / 4) * 4] * b[i % 4];
    }
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
      v[i] += a[(i / 4) * 4 + 1] * b[i % 4 + 4];
    }
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
      v[i] += a[(i / 4) * 4 + 2] * b[i % 4 + 8];
    }
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
      v[i] += a[(i / 4) * 4 + 3] * b[i % 4 + 12];
    }
    alignas(16) float a_1[16];
    #pragma unroll
    for (int i = 0; i < 16; i += 4) {
      const int at_20 = place + (i / 4) * 8;
      move<16>(&a_1[i], a_tiles + swizzled<128, 4>(a_tile + at_20 * 32 + 4));
    }
    alignas(16) float b_1[16];
    #pragma unroll
    for (int i = 0; i < 16; i += 4) {
      const int at_21 = i / 4 + 4;
      move<16>(&b_1[i], b_tiles + swizzled<128, 4>(b_tile + at_21 * 32 + place_1));
    }
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
      v[i] += a_1[(i / 4) * 4] * b_1[i % 4];
    }
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
      v[i] += a_1[(i / 4) * 4 + 1] * b_1[i % 4 + 4];
    }
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
      v[i] += a_1[(i / 4) * 4 + 2] * b_1[i % 4 + 8];
    }
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
      v[i] += a_1[(i / 4) * 4 + 3] * b_1[i % 4 + 12];
    }
    alignas(16) float a_2[16];
    #pragma unroll
    for (int i = 0; i < 16; i += 4) {
      const int at_22 = place + (i / 4) * 8;
      move<16>(&a_2[i], a_tiles + swizzled<128, 4>(a_tile + at_22 * 32 + 8));
    }
    alignas(16) float b_2[16];
    #pragma unroll
    for (int i = 0; i < 16; i += 4) {
      const int at_23 = i / 4 + 8;
      move<16>(&b_2[i], b_tiles + swizzled<128, 4>(b_tile + at_23 * 32 + place_1));
    }
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
      v[i] += a_2[(i / 4) * 4] * b_2[i % 4];
    }
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
      v[i] += a_2[(i / 4) * 4 + 1] * b_2[i % 4 + 4];
    }
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
      v[i] += a_2[(i / 4) * 4 + 2] * b_2[i % 4 + 8];
    }
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
      v[i] += a_2[(i / 4) * 4 + 3] * b_2[i % 4 + 12];
    }
    alignas(16) float a_3[16];
    #pragma unroll
    for (int i = 0; i < 16; i += 4) {
      const int at_24 = place + (i / 4) * 8;
      move<16>(&a_3[i], a_tiles + swizzled<128, 4>(a_tile + at_24 * 32 + 12));
    }
    alignas(16) float b_3[16];
    #pragma unroll
    for (int i = 0; i < 16; i += 4) {
      const int at_25 = i / 4 + 12;
      move<16>(&b_3[i], b_tiles + swizzled<128, 4>(b_tile + at_25 * 32 + place_1));
    }
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
      v[i] += a_3[(i / 4) * 4] * b_3[i % 4];
    }
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
      v[i] += a_3[(i / 4) * 4 + 1] * b_3[i % 4 + 4];
    }
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
      v[i] += a_3[(i / 4) * 4 + 2] * b_3[i % 4 + 8];
    }
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
      v[i] += a_3[(i / 4) * 4 + 3] * b_3[i % 4 + 12];
    }
    alignas(16) float a_4[16];
    #pragma unroll
    for (int i = 0; i < 16; i += 4) {
      const int at_26 = place + (i / 4) * 8;
      move<16>(&a_4[i], a_tiles + swizzled<128, 4>(a_tile + at_26 * 32 + 16));
    }
    alignas(16) float b_4[16];
    #pragma unroll
    for (int i = 0; i < 16; i += 4) {
      const int at_27 = i / 4 + 16;
      move<16>(&b_4[i], b_tiles + swizzled<128, 4>(b_tile + at_27 * 32 + place_1));
    }
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
      v[i] += a_4[(i / 4) * 4] * b_4[i % 4];
    }
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
      v[i] += a_4[(i / 4) * 4 + 1] * b_4[i % 4 + 4];
    }
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
      v[i] += a_4[(i / 4) * 4 + 2] * b_4[i % 4 + 8];
    }
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
      v[i] += a_4[(i / 4) * 4 + 3] * b_4[i % 4 + 12];
    }
    alignas(16) float a_5[16];
    #pragma unroll
    for (int i = 0; i < 16; i += 4) {
      const int at_28 = place + (i / 4) * 8;
      move<16>(&a_5[i], a_tiles + swizzled<128, 4>(a_tile + at_28 * 32 + 20));
    }
    alignas(16) float b_5[16];
    #pragma unroll
    for (int i = 0; i < 16; i += 4) {
      const int at_29 = i / 4 + 20;
      move<16>(&b_5[i], b_tiles + swizzled<128, 4>(b_tile + at_29 * 32 + place_1));
    }
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
      v[i] += a_5[(i / 4) * 4] * b_5[i % 4];
    }
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
      v[i] += a_5[(i / 4) * 4 + 1] * b_5[i % 4 + 4];
    }
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
      v[i] += a_5[(i / 4) * 4 + 2] * b_5[i % 4 + 8];
    }
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
      v[i] += a_5[(i / 4) * 4 + 3] * b_5[i % 4 + 12];
    }
    alignas(16) float a_6[16];
    #pragma unroll
    for (int i = 0; i < 16; i += 4) {
      const int at_30 = place + (i / 4) * 8;
      move<16>(&a_6[i], a_tiles + swizzled<128, 4>(a_tile + at_30 * 32 + 24));
    }
    alignas(16) float b_6[16];
    #pragma unroll
    for (int i = 0; i < 16; i += 4) {
      const int at_31 = i / 4 + 24;
      move<16>(&b_6[i], b_tiles + swizzled<128, 4>(b_tile + at_31 * 32 + place_1));
    }
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
      v[i] += a_6[(i / 4) * 4] * b_6[i % 4];
    }
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
      v[i] += a_6[(i / 4) * 4 + 1] * b_6[i % 4 + 4];
    }
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
      v[i] += a_6[(i / 4) * 4 + 2] * b_6[i % 4 + 8];
    }
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
      v[i] += a_6[(i / 4) * 4 + 3] * b_6[i % 4 + 12];
    }
    alignas(16) float a_7[16];
    #pragma unroll
    for (int i = 0; i < 16; i += 4) {
      const int at_32 = place + (i / 4) * 8;
      move<16>(&a_7[i], a_tiles + swizzled<128, 4>(a_tile + at_32 * 32 + 28));
    }
    alignas(16) float b_7[16];
    #pragma unroll
    for (int i = 0; i < 16; i += 4) {
      const int at_33 = i / 4 + 28;
      move<16>(&b_7[i], b_tiles + swizzled<128, 4>(b_tile + at_33 * 32 + place_1));
    }
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
      v[i] += a_7[(i / 4) * 4] * b_7[i % 4];
    }
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
      v[i] += a_7[(i / 4) * 4 + 1] * b_7[i % 4 + 4];
    }
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
      v[i] += a_7[(i / 4) * 4 + 2] * b_7[i % 4 + 8];
    }
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
      v[i] += a_7[(i / 4) * 4 + 3] * b_7[i % 4 + 12];
    }
  }
  alignas(16) float v_1[4];
  #pragma unroll
  for (int i = 0; i < 4; i += 2) {
    const int at_34 = n_1 + place_1 + i;
    if ((unsigned)at_34 < 130u) {
      move<8>(&v_1[i], arg + at_34);
    }
    else {
      #pragma unroll
      for (int j = 0; j < 2; ++j) {
        v_1[i + j] = 0.f;
      }
    }
  }
  alignas(16) float v_2[16];
  #pragma unroll
  for (int i = 0; i < 16; ++i) {
    const float x = v[i] + v_1[i % 4];
    v_2[i] = maximum(x, 0.f);
  }
  alignas(16) float v_3[16];
  #pragma unroll
  for (int i = 0; i < 16; i += 2) {
    const int at_35 = n + place + (i / 4) * 8;
    const int at_36 = n_1 + place_1 + i % 4;
    if ((unsigned)at_35 < 77u && (unsigned)at_36 < 130u) {
      move<8>(&v_3[i], x2 + at_35 * 130 + at_36);
    }
    else {
      #pragma unroll
      for (int j = 0; j < 2; ++j) {
        v_3[i + j] = 0.f;
      }
    }
  }
  alignas(16) float v_4[16];
  #pragma unroll
  for (int i = 0; i < 16; ++i) {
    v_4[i] = v_2[i] + v_3[i];
  }
  if (warp / 2 == 0) {
    #pragma unroll
    for (int i = 0; i < 16; i += 2) {
      const int at_37 = n + place + (i / 4) * 8;
      const int at_38 = n_1 + place_1 + i % 4;
      if ((unsigned)at_37 < 77u && (unsigned)at_38 < 130u) {
        move<8>(arg_1 + at_37 * 130 + at_38, &v_4[i]);
      }
    }
  }
}
