// RUN: kernelwright opt %s --target cuda:h100 --pass-pipeline=schedule-kernels,tile-kernels,relax-math --split-input-file | filecheck %s
// RUN: kernelwright opt %s --target cpu-avx2 --pass-pipeline=schedule-kernels,tile-kernels,relax-math --split-input-file | filecheck %s --check-prefix=CPU

// A logistic function with 16 bits of result.
// CHECK: "math.exp"
// CHECK-SAME: fastmath = #arith.fastmath<afn>
// CHECK: "arith.divf"
// CHECK-SAME: fastmath = #arith.fastmath<arcp>
// CPU-NOT: fastmath = #arith
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

// f32 keeps all its digits.
// CHECK: "math.exp"
// CHECK-NOT: fastmath = #arith
// CHECK: func.func @main
module {
  "kernel.func"() ({
  ^bb0(%x: tensor<512xf32>):
    %0 = "nn.silu"(%x) : (tensor<512xf32>) -> tensor<512xf32>
    "kernel.return"(%0) : (tensor<512xf32>) -> ()
  }) {sym_name = "silu"} : () -> ()
  func.func @main(%x: tensor<512xf32>) -> tensor<512xf32> {
    %0 = "kernel.call"(%x) {callee = @silu} : (tensor<512xf32>) -> tensor<512xf32>
    return %0 : tensor<512xf32>
  }
}

// -----

// A quotient of the network's may be rounded down by what follows it: it is exact.
// CHECK: "arith.divf"
// CHECK-NOT: fastmath = #arith
// CHECK: func.func @main
module {
  "kernel.func"() ({
  ^bb0(%x: tensor<512xf16>, %y: tensor<512xf16>):
    %0 = "nn.div"(%x, %y) : (tensor<512xf16>, tensor<512xf16>) -> tensor<512xf16>
    %1 = "nn.floor"(%0) : (tensor<512xf16>) -> tensor<512xf16>
    "kernel.return"(%1) : (tensor<512xf16>) -> ()
  }) {sym_name = "whole"} : () -> ()
  func.func @main(%x: tensor<512xf16>, %y: tensor<512xf16>) -> tensor<512xf16> {
    %0 = "kernel.call"(%x, %y) {callee = @whole} : (tensor<512xf16>, tensor<512xf16>) -> tensor<512xf16>
    return %0 : tensor<512xf16>
  }
}
