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

__device__ __forceinline__ float exp_approximate(float x) {
  float y;
  asm("ex2.approx.f32 %0, %1;" : "=f"(y) : "f"(x * 1.442695041f));
  return y;
}

__device__ __forceinline__ void trigger_dependents() { asm volatile("griddepcontrol.launch_dependents;" ::: "memory"); }

__device__ __forceinline__ void wait_dependencies() { asm volatile("griddepcontrol.wait;" ::: "memory"); }

// reduce: no ONNX node
// rows: blocks = 1, lanes = 128, reduce_lanes = 128, rows = 1, threads = 32, worker_columns = 128, worker_rows = 1
extern "C" __global__ void __launch_bounds__(32) reduce_kernel(
    const f16* x0,
    f16* arg)
{
  const int lane = threadIdx.x % 32;
  const int block = (int)blockIdx.x;
  const int place = lane * 4;
  trigger_dependents();
  wait_dependencies();
  alignas(16) f16 v[4];
  move<8>(&v[0], x0 + block * 128 + place);
  alignas(16) float v_1[4];
  alignas(16) float v_2[4];
  #pragma unroll
  for (int i = 0; i < 4; ++i) {
    v_1[i] = to_float(v[i]);
    v_2[i] = maximum(__int_as_float(-0x800000), v_1[i]);
  }
  alignas(16) float max_1[1];
  max_1[0] = __int_as_float(-0x800000);
  #pragma unroll
  for (int i = 0; i < 4; ++i) {
    max_1[0] = maximum(max_1[0], v_2[i]);
  }
  max_1[0] = maximum(max_1[0], __shfl_xor_sync(0xffffffff, max_1[0], 16));
  max_1[0] = maximum(max_1[0], __shfl_xor_sync(0xffffffff, max_1[0], 8));
  max_1[0] = maximum(max_1[0], __shfl_xor_sync(0xffffffff, max_1[0], 4));
  max_1[0] = maximum(max_1[0], __shfl_xor_sync(0xffffffff, max_1[0], 2));
  max_1[0] = maximum(max_1[0], __shfl_xor_sync(0xffffffff, max_1[0], 1));
  const float x = max_1[0];
  alignas(16) float v_3[4];
  alignas(16) float v_4[4];
  #pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float x_1 = v_1[i] - x;
    v_3[i] = exp_approximate(x_1);
    v_4[i] = 0.f + v_3[i];
  }
  alignas(16) float sum[1];
  sum[0] = 0.f;
  #pragma unroll
  for (int i = 0; i < 4; ++i) {
    sum[0] = sum[0] + v_4[i];
  }
  sum[0] = sum[0] + __shfl_xor_sync(0xffffffff, sum[0], 16);
  sum[0] = sum[0] + __shfl_xor_sync(0xffffffff, sum[0], 8);
  sum[0] = sum[0] + __shfl_xor_sync(0xffffffff, sum[0], 4);
  sum[0] = sum[0] + __shfl_xor_sync(0xffffffff, sum[0], 2);
  sum[0] = sum[0] + __shfl_xor_sync(0xffffffff, sum[0], 1);
  const float x_2 = sum[0];
  const float x_3 = 1.f / x_2;
  alignas(16) f16 v_5[4];
  #pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float x_4 = v_3[i] * x_3;
    v_5[i] = from_float<f16>(x_4);
  }
  move<8>(arg + block * 128 + place, &v_5[0]);
}
