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

__device__ __forceinline__ void trigger_dependents() { asm volatile("griddepcontrol.launch_dependents;" ::: "memory"); }

__device__ __forceinline__ void wait_dependencies() { asm volatile("griddepcontrol.wait;" ::: "memory"); }

// conv: no ONNX node
// generic: blocks = 1, lanes = 16, reduce_lanes = 512, rows = 8, threads = 128, worker_columns = 16, worker_rows = 8
extern "C" __global__ void __launch_bounds__(128) conv_kernel(
    const f16* x0,
    const f16* arg,
    const f16* arg_1,
    const f16* x1,
    f16* arg_2)
{
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
  const int block = (int)blockIdx.x;
  const int place = lane / 16 + warp * 2;
  const int place_1 = lane % 16;
  trigger_dependents();
  wait_dependencies();
  const int n = (int)((unsigned)block / (unsigned)2);
  const int n_1 = block * 8;
  const int n_2 = n * (-16);
  const int n_3 = n_1 + n_2;
  const int n_4 = n_3 + (-1);
  f16 v[1];
  const int at = n_4 + place;
  const int at_1 = (-1) + place_1;
  v[0] = (unsigned)at < 13u && (unsigned)at_1 < 11u ? *(x0 + n * 143 + at * 11 + at_1) : from_float<f16>(0.f);
  alignas(16) float v_1[1];
  v_1[0] = to_float(v[0]);
  const f16 x = *(arg + n * 9);
  const float x_1 = to_float(x);
  alignas(16) float v_2[1];
  const float x_2 = v_1[0] * x_1;
  v_2[0] = 0.f + x_2;
  f16 v_3[1];
  const int at_2 = n_4 + place;
  v_3[0] = (unsigned)at_2 < 13u && (unsigned)place_1 < 11u ? *(x0 + n * 143 + at_2 * 11 + place_1) : from_float<f16>(0.f);
  alignas(16) float v_4[1];
  v_4[0] = to_float(v_3[0]);
  const f16 x_3 = *(arg + n * 9 + 1);
  const float x_4 = to_float(x_3);
  alignas(16) float v_5[1];
  const float x_5 = v_4[0] * x_4;
  v_5[0] = v_2[0] + x_5;
  f16 v_6[1];
  const int at_3 = n_4 + place;
  const int at_4 = place_1 + 1;
  v_6[0] = (unsigned)at_3 < 13u && (unsigned)at_4 < 11u ? *(x0 + n * 143 + at_3 * 11 + at_4) : from_float<f16>(0.f);
  alignas(16) float v_7[1];
  v_7[0] = to_float(v_6[0]);
  const f16 x_6 = *(arg + n * 9 + 2);
  const float x_7 = to_float(x_6);
  alignas(16) float v_8[1];
  const float x_8 = v_7[0] * x_7;
  v_8[0] = v_5[0] + x_8;
  f16 v_9[1];
  const int at_5 = n_3 + place;
  const int at_6 = (-1) + place_1;
  v_9[0] = (unsigned)at_5 < 13u && (unsigned)at_6 < 11u ? *(x0 + n * 143 + at_5 * 11 + at_6) : from_float<f16>(0.f);
  alignas(16) float v_10[1];
  v_10[0] = to_float(v_9[0]);
  const f16 x_9 = *(arg + n * 9 + 3);
  const float x_10 = to_float(x_9);
  alignas(16) float v_11[1];
  const float x_11 = v_10[0] * x_10;
  v_11[0] = v_8[0] + x_11;
  f16 v_12[1];
  const int at_7 = n_3 + place;
  v_12[0] = (unsigned)at_7 < 13u && (unsigned)place_1 < 11u ? *(x0 + n * 143 + at_7 * 11 + place_1) : from_float<f16>(0.f);
  alignas(16) float v_13[1];
  v_13[0] = to_float(v_12[0]);
  const f16 x_12 = *(arg + n * 9 + 4);
  const float x_13 = to_float(x_12);
  alignas(16) float v_14[1];
  const float x_14 = v_13[0] * x_13;
  v_14[0] = v_11[0] + x_14;
  f16 v_15[1];
  const int at_8 = n_3 + place;
  const int at_9 = place_1 + 1;
  v_15[0] = (unsigned)at_8 < 13u && (unsigned)at_9 < 11u ? *(x0 + n * 143 + at_8 * 11 + at_9) : from_float<f16>(0.f);
  alignas(16) float v_16[1];
  v_16[0] = to_float(v_15[0]);
  const f16 x_15 = *(arg + n * 9 + 5);
  const float x_16 = to_float(x_15);
  const int n_5 = n_3 + 1;
  alignas(16) float v_17[1];
  const float x_17 = v_16[0] * x_16;
  v_17[0] = v_14[0] + x_17;
  f16 v_18[1];
  const int at_10 = n_5 + place;
  const int at_11 = (-1) + place_1;
  v_18[0] = (unsigned)at_10 < 13u && (unsigned)at_11 < 11u ? *(x0 + n * 143 + at_10 * 11 + at_11) : from_float<f16>(0.f);
  alignas(16) float v_19[1];
  v_19[0] = to_float(v_18[0]);
  const f16 x_18 = *(arg + n * 9 + 6);
  const float x_19 = to_float(x_18);
  alignas(16) float v_20[1];
  const float x_20 = v_19[0] * x_19;
  v_20[0] = v_17[0] + x_20;
  f16 v_21[1];
  const int at_12 = n_5 + place;
  v_21[0] = (unsigned)at_12 < 13u && (unsigned)place_1 < 11u ? *(x0 + n * 143 + at_12 * 11 + place_1) : from_float<f16>(0.f);
  alignas(16) float v_22[1];
  v_22[0] = to_float(v_21[0]);
  const f16 x_21 = *(arg + n * 9 + 7);
  const float x_22 = to_float(x_21);
  alignas(16) float v_23[1];
  const float x_23 = v_22[0] * x_22;
  v_23[0] = v_20[0] + x_23;
  f16 v_24[1];
  const int at_13 = n_5 + place;
  const int at_14 = place_1 + 1;
  v_24[0] = (unsigned)at_13 < 13u && (unsigned)at_14 < 11u ? *(x0 + n * 143 + at_13 * 11 + at_14) : from_float<f16>(0.f);
  alignas(16) float v_25[1];
  v_25[0] = to_float(v_24[0]);
  const f16 x_24 = *(arg + n * 9 + 8);
  const float x_25 = to_float(x_24);
  alignas(16) float v_26[1];
  const float x_26 = v_25[0] * x_25;
  v_26[0] = v_23[0] + x_26;
  const f16 x_27 = *(arg_1 + n);
  const float x_28 = to_float(x_27);
  alignas(16) float v_27[1];
  v_27[0] = v_26[0] + x_28;
  f16 v_28[1];
  const int at_15 = n_3 + place;
  v_28[0] = (unsigned)at_15 < 13u && (unsigned)place_1 < 11u ? *(x1 + n * 143 + at_15 * 11 + place_1) : from_float<f16>(0.f);
  f16 v_29[1];
  const float x_29 = to_float(v_28[0]);
  const float x_30 = v_27[0] + x_29;
  const float x_31 = maximum(x_30, 0.f);
  v_29[0] = from_float<f16>(x_31);
  const int at_16 = n_3 + place;
  if ((unsigned)at_16 < 13u && (unsigned)place_1 < 11u) *(arg_2 + n * 143 + at_16 * 11 + place_1) = v_29[0];
}
