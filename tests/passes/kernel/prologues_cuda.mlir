// RUN: kernelwright opt %s --split-input-file --target=cuda:h200 --pass-pipeline=form-kernels | filecheck %s

// On GPUs the input of a 1x1 convolution is copied as it lies: what belongs to its channels is computed on fragments.
// CHECK: "nn.mul"
// CHECK-NEXT: "nn.relu"
// CHECK-NEXT: "nn.conv"
// CHECK: func.func @main
// CHECK-COUNT-1: "kernel.call"
// CHECK-NOT: "kernel.call"
module {
  func.func @main(%x: tensor<2x8x4x4xf16>, %gate: tensor<2x8x1x1xf16>) -> tensor<2x8x4x4xf16> {
    %w = "nn.constant"() {value = dense_resource<w> : tensor<8x8x1x1xf16>} : () -> tensor<8x8x1x1xf16>
    %0 = "nn.mul"(%x, %gate) : (tensor<2x8x4x4xf16>, tensor<2x8x1x1xf16>) -> tensor<2x8x4x4xf16>
    %1 = "nn.relu"(%0) : (tensor<2x8x4x4xf16>) -> tensor<2x8x4x4xf16>
    %2 = "nn.conv"(%1, %w) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<2x8x4x4xf16>, tensor<8x8x1x1xf16>) -> tensor<2x8x4x4xf16>
    return %2 : tensor<2x8x4x4xf16>
  }
}

// -----

// A second image would come element by element, and so would an image in another type.
// CHECK: func.func @main
// CHECK-COUNT-2: "kernel.call"
// CHECK-NOT: "kernel.call"
module {
  func.func @main(%x: tensor<1x8x4x4xf16>, %y: tensor<1x8x4x4xf16>) -> tensor<1x8x4x4xf16> {
    %w = "nn.constant"() {value = dense_resource<w> : tensor<8x8x1x1xf16>} : () -> tensor<8x8x1x1xf16>
    %0 = "nn.add"(%x, %y) : (tensor<1x8x4x4xf16>, tensor<1x8x4x4xf16>) -> tensor<1x8x4x4xf16>
    %1 = "nn.conv"(%0, %w) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x8x4x4xf16>, tensor<8x8x1x1xf16>) -> tensor<1x8x4x4xf16>
    return %1 : tensor<1x8x4x4xf16>
  }
}

// -----

// What a convolution with a window copies has zeros around it, which would not be zero any more.
// CHECK: func.func @main
// CHECK-COUNT-2: "kernel.call"
// CHECK-NOT: "kernel.call"
module {
  func.func @main(%x: tensor<1x8x4x4xf16>, %shift: tensor<8x1x1xf16>) -> tensor<1x8x4x4xf16> {
    %w = "nn.constant"() {value = dense_resource<w> : tensor<8x8x3x3xf16>} : () -> tensor<8x8x3x3xf16>
    %0 = "nn.add"(%x, %shift) : (tensor<1x8x4x4xf16>, tensor<8x1x1xf16>) -> tensor<1x8x4x4xf16>
    %1 = "nn.conv"(%0, %w) {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : (tensor<1x8x4x4xf16>, tensor<8x8x3x3xf16>) -> tensor<1x8x4x4xf16>
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

// -----

// Means of windows apart read every element once, and compute what stands in front of them on the way.
// CHECK: "nn.relu"
// CHECK-NEXT: "nn.avg_pool"
// CHECK: func.func @main
// CHECK-COUNT-1: "kernel.call"
// CHECK-NOT: "kernel.call"
module {
  func.func @main(%x: tensor<1x8x4x4xf16>) -> tensor<1x8x2x2xf16> {
    %0 = "nn.relu"(%x) : (tensor<1x8x4x4xf16>) -> tensor<1x8x4x4xf16>
    %1 = "nn.avg_pool"(%0) {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, ceil_mode = false, count_include_pad = false} : (tensor<1x8x4x4xf16>) -> tensor<1x8x2x2xf16>
    return %1 : tensor<1x8x2x2xf16>
  }
}

// -----

// Windows that overlap would compute it for each of them.
// CHECK: func.func @main
// CHECK-COUNT-2: "kernel.call"
// CHECK-NOT: "kernel.call"
module {
  func.func @main(%x: tensor<1x8x5x5xf16>) -> tensor<1x8x2x2xf16> {
    %0 = "nn.relu"(%x) : (tensor<1x8x5x5xf16>) -> tensor<1x8x5x5xf16>
    %1 = "nn.avg_pool"(%0) {kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, ceil_mode = false, count_include_pad = false} : (tensor<1x8x5x5xf16>) -> tensor<1x8x2x2xf16>
    return %1 : tensor<1x8x2x2xf16>
  }
}
