// RUN: kernelwright opt %s --target cuda:h100 --pass-pipeline=schedule-kernels,tile-kernels,relax-math --split-input-file | filecheck %s
// RUN: kernelwright opt %s --target cpu-avx2 --pass-pipeline=schedule-kernels,tile-kernels,relax-math --split-input-file | filecheck %s --check-prefix=CPU

// Exponentials with 16 bits of result, on GPUs.
// CHECK: "math.exp"
// CHECK-SAME: fastmath = #arith.fastmath<afn>
// CPU-NOT: fastmath = #arith.fastmath<afn>
module {
  "kernel.func"() ({
  ^bb0(%x: tensor<512xf16>):
    %0 = "nn.silu"(%x) : (tensor<512xf16>) -> tensor<512xf16>
    "kernel.return"(%0) : (tensor<512xf16>) -> ()
  }) {sym_name = "silu"} : () -> ()
  func.func @main(%x: tensor<512xf16>) -> tensor<512xf16> {
    %0 = "kernel.call"(%x) {callee = @silu} : (tensor<512xf16>) -> tensor<512xf16>
    return %0 : tensor<512xf16>
  }
}

// -----

// CHECK: "math.erf"
// CHECK-SAME: fastmath = #arith.fastmath<afn>
// CPU-NOT: fastmath = #arith.fastmath<afn>
module {
  "kernel.func"() ({
  ^bb0(%x: tensor<512xbf16>):
    %0 = "nn.gelu"(%x) {approximate = "none"} : (tensor<512xbf16>) -> tensor<512xbf16>
    "kernel.return"(%0) : (tensor<512xbf16>) -> ()
  }) {sym_name = "gelu"} : () -> ()
  func.func @main(%x: tensor<512xbf16>) -> tensor<512xbf16> {
    %0 = "kernel.call"(%x) {callee = @gelu} : (tensor<512xbf16>) -> tensor<512xbf16>
    return %0 : tensor<512xbf16>
  }
}

// -----

// f32 keeps all its digits, and so do kernels with a second result of that type.
// CHECK: "math.exp"
// CHECK-NOT: fastmath = #arith.fastmath<afn>
// CHECK: func.func @main
module {
  "kernel.func"() ({
  ^bb0(%x: tensor<512xf32>):
    %0 = "nn.exp"(%x) : (tensor<512xf32>) -> tensor<512xf32>
    %1 = "nn.cast"(%0) {to = f16} : (tensor<512xf32>) -> tensor<512xf16>
    "kernel.return"(%0, %1) : (tensor<512xf32>, tensor<512xf16>) -> ()
  }) {sym_name = "exp"} : () -> ()
  func.func @main(%x: tensor<512xf32>) -> (tensor<512xf32>, tensor<512xf16>) {
    %0, %1 = "kernel.call"(%x) {callee = @exp} : (tensor<512xf32>) -> (tensor<512xf32>, tensor<512xf16>)
    return %0, %1 : tensor<512xf32>, tensor<512xf16>
  }
}
