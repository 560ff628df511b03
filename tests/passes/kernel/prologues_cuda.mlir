// RUN: kernelwright opt %s --split-input-file --target=cuda:h200 --pass-pipeline=form-kernels | filecheck %s

// On GPUs the input of a 1x1 convolution is copied as it lies: an activation before it has a kernel of its own.
// CHECK: func.func @main
// CHECK-COUNT-2: "kernel.call"
// CHECK-NOT: "kernel.call"
module {
  func.func @main(%x: tensor<1x8x4x4xf16>) -> tensor<1x8x4x4xf16> {
    %w = "nn.constant"() {value = dense_resource<w> : tensor<8x8x1x1xf16>} : () -> tensor<8x8x1x1xf16>
    %0 = "nn.relu"(%x) : (tensor<1x8x4x4xf16>) -> tensor<1x8x4x4xf16>
    %1 = "nn.conv"(%0, %w) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x8x4x4xf16>, tensor<8x8x1x1xf16>) -> tensor<1x8x4x4xf16>
    return %1 : tensor<1x8x4x4xf16>
  }
}

// -----

// What a convolution with a window gathers by elements is converted on the way.
// CHECK: "nn.cast"
// CHECK-NEXT: "nn.conv"
// CHECK: func.func @main
// CHECK-COUNT-1: "kernel.call"
// CHECK-NOT: "kernel.call"
module {
  func.func @main(%x: tensor<1x3x4x4xf32>) -> tensor<1x8x4x4xf16> {
    %w = "nn.constant"() {value = dense_resource<w> : tensor<8x3x3x3xf16>} : () -> tensor<8x3x3x3xf16>
    %0 = "nn.cast"(%x) {to = f16} : (tensor<1x3x4x4xf32>) -> tensor<1x3x4x4xf16>
    %1 = "nn.conv"(%0, %w) {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : (tensor<1x3x4x4xf16>, tensor<8x3x3x3xf16>) -> tensor<1x8x4x4xf16>
    return %1 : tensor<1x8x4x4xf16>
  }
}
