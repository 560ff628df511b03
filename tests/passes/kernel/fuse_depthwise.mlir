// RUN: kernelwright opt %s --target cpu --split-input-file --pass-pipeline=form-kernels,fuse-depthwise | filecheck %s

// Both convolutions and the mean of the planes are one kernel with two results.
// CHECK: "kernel.func"
// CHECK: "nn.conv"
// CHECK: "nn.silu"
// CHECK: %[[D:.*]] = "nn.conv"
// CHECK: %[[M:.*]] = "nn.reduce"(%[[D]])
// CHECK-NEXT: "kernel.return"(%[[D]], %[[M]])
// CHECK: func.func @main
// CHECK: %{{.*}}, %{{.*}} = "kernel.call"
// CHECK-NEXT: return
module {
  func.func @main(%x: tensor<1x4x7x7xf32>) -> (tensor<1x32x7x7xf32>, tensor<1x32x1x1xf32>) {
    %w = "nn.constant"() {value = dense<0.5> : tensor<32x4x1x1xf32>} : () -> tensor<32x4x1x1xf32>
    %v = "nn.constant"() {value = dense<0.5> : tensor<32x1x3x3xf32>} : () -> tensor<32x1x3x3xf32>
    %0 = "nn.conv"(%x, %w) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64, precision = "ieee"} : (tensor<1x4x7x7xf32>, tensor<32x4x1x1xf32>) -> tensor<1x32x7x7xf32>
    %1 = "nn.silu"(%0) : (tensor<1x32x7x7xf32>) -> tensor<1x32x7x7xf32>
    %2 = "nn.conv"(%1, %v) {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, group = 32 : i64, precision = "ieee"} : (tensor<1x32x7x7xf32>, tensor<32x1x3x3xf32>) -> tensor<1x32x7x7xf32>
    %3 = "nn.reduce"(%2) {kind = "mean", axes = array<i64: 2, 3>, keep_dims = true} : (tensor<1x32x7x7xf32>) -> tensor<1x32x1x1xf32>
    return %2, %3 : tensor<1x32x7x7xf32>, tensor<1x32x1x1xf32>
  }
}

// -----

// What is between the convolutions is read by others: only the mean is taken along.
// CHECK: func.func @main
// CHECK: "kernel.call"
// CHECK-NEXT: %{{.*}}, %{{.*}} = "kernel.call"
// CHECK-NEXT: return
module {
  func.func @main(%x: tensor<1x4x7x7xf32>) -> (tensor<1x32x7x7xf32>, tensor<1x32x7x7xf32>, tensor<1x32x1x1xf32>) {
    %w = "nn.constant"() {value = dense<0.5> : tensor<32x4x1x1xf32>} : () -> tensor<32x4x1x1xf32>
    %v = "nn.constant"() {value = dense<0.5> : tensor<32x1x3x3xf32>} : () -> tensor<32x1x3x3xf32>
    %0 = "nn.conv"(%x, %w) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64, precision = "ieee"} : (tensor<1x4x7x7xf32>, tensor<32x4x1x1xf32>) -> tensor<1x32x7x7xf32>
    %2 = "nn.conv"(%0, %v) {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, group = 32 : i64, precision = "ieee"} : (tensor<1x32x7x7xf32>, tensor<32x1x3x3xf32>) -> tensor<1x32x7x7xf32>
    %3 = "nn.reduce"(%2) {kind = "mean", axes = array<i64: 2, 3>, keep_dims = true} : (tensor<1x32x7x7xf32>) -> tensor<1x32x1x1xf32>
    return %0, %2, %3 : tensor<1x32x7x7xf32>, tensor<1x32x7x7xf32>, tensor<1x32x1x1xf32>
  }
}

// -----

// A 3x3 convolution does not expand, and the mean of the channels is none of planes.
// CHECK: func.func @main
// CHECK-COUNT-3: "kernel.call"
module {
  func.func @main(%x: tensor<1x4x7x7xf32>) -> (tensor<1x32x7x7xf32>, tensor<1x7x7xf32>) {
    %w = "nn.constant"() {value = dense<0.5> : tensor<32x4x3x3xf32>} : () -> tensor<32x4x3x3xf32>
    %v = "nn.constant"() {value = dense<0.5> : tensor<32x1x3x3xf32>} : () -> tensor<32x1x3x3xf32>
    %0 = "nn.conv"(%x, %w) {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64, precision = "ieee"} : (tensor<1x4x7x7xf32>, tensor<32x4x3x3xf32>) -> tensor<1x32x7x7xf32>
    %2 = "nn.conv"(%0, %v) {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, group = 32 : i64, precision = "ieee"} : (tensor<1x32x7x7xf32>, tensor<32x1x3x3xf32>) -> tensor<1x32x7x7xf32>
    %3 = "nn.reduce"(%2) {kind = "mean", axes = array<i64: 1>, keep_dims = false} : (tensor<1x32x7x7xf32>) -> tensor<1x7x7xf32>
    return %2, %3 : tensor<1x32x7x7xf32>, tensor<1x7x7xf32>
  }
}
