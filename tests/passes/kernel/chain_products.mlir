// RUN: kernelwright opt %s --split-input-file --pass-pipeline=form-kernels,chain-products | filecheck %s

// The gate of squeeze-and-excite: pooling and both convolutions are one kernel with three results; what follows is not.
// CHECK: "kernel.func"
// CHECK: "nn.reduce"
// CHECK: "nn.conv"
// CHECK: "nn.relu"
// CHECK: "nn.conv"
// CHECK: "nn.hard_sigmoid"
// CHECK-NEXT: "kernel.return"{{.*}} : (tensor<1x8x1x1xf32>, tensor<1x2x1x1xf32>, tensor<1x8x1x1xf32>) -> ()
// CHECK: func.func @main
// CHECK: "nn.constant"
// CHECK: "kernel.call"
// CHECK-NEXT: "kernel.call"
// CHECK-NEXT: return
module {
  func.func @main(%x: tensor<1x8x7x7xf32>) -> tensor<1x8x7x7xf32> {
    %w = "nn.constant"() {value = dense_resource<w> : tensor<2x8x1x1xf32>} : () -> tensor<2x8x1x1xf32>
    %v = "nn.constant"() {value = dense_resource<v> : tensor<8x2x1x1xf32>} : () -> tensor<8x2x1x1xf32>
    %0 = "nn.reduce"(%x) {kind = "mean", axes = array<i64: 2, 3>, keep_dims = true} : (tensor<1x8x7x7xf32>) -> tensor<1x8x1x1xf32>
    %1 = "nn.conv"(%0, %w) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64, precision = "ieee"} : (tensor<1x8x1x1xf32>, tensor<2x8x1x1xf32>) -> tensor<1x2x1x1xf32>
    %2 = "nn.relu"(%1) : (tensor<1x2x1x1xf32>) -> tensor<1x2x1x1xf32>
    %3 = "nn.conv"(%2, %v) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64, precision = "ieee"} : (tensor<1x2x1x1xf32>, tensor<8x2x1x1xf32>) -> tensor<1x8x1x1xf32>
    %4 = "nn.hard_sigmoid"(%3) {alpha = 0.2 : f64, beta = 0.5 : f64} : (tensor<1x8x1x1xf32>) -> tensor<1x8x1x1xf32>
    %5 = "nn.mul"(%x, %4) : (tensor<1x8x7x7xf32>, tensor<1x8x1x1xf32>) -> tensor<1x8x7x7xf32>
    return %5 : tensor<1x8x7x7xf32>
  }
}

// -----

// A reshape of single pixels between two links is taken along.
// CHECK: "kernel.func"
// CHECK: "nn.reduce"
// CHECK: "nn.reshape"
// CHECK: "nn.matmul"
// CHECK: func.func @main
// CHECK-COUNT-1: "kernel.call"
// CHECK-NOT: "kernel.call"
module {
  func.func @main(%x: tensor<1x8x7x7xf32>) -> tensor<1x2xf32> {
    %w = "nn.constant"() {value = dense_resource<w> : tensor<8x2xf32>} : () -> tensor<8x2xf32>
    %0 = "nn.reduce"(%x) {kind = "mean", axes = array<i64: 2, 3>, keep_dims = true} : (tensor<1x8x7x7xf32>) -> tensor<1x8x1x1xf32>
    %1 = "nn.reshape"(%0) : (tensor<1x8x1x1xf32>) -> tensor<1x8xf32>
    %2 = "nn.matmul"(%1, %w) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<1x8xf32>, tensor<8x2xf32>) -> tensor<1x2xf32>
    return %2 : tensor<1x2xf32>
  }
}

// -----

// A result that others read too stays a kernel's own.
// CHECK: func.func @main
// CHECK-COUNT-2: "kernel.call"
module {
  func.func @main(%x: tensor<1x8xf32>) -> (tensor<1x4xf32>, tensor<1x2xf32>) {
    %w = "nn.constant"() {value = dense_resource<w> : tensor<8x4xf32>} : () -> tensor<8x4xf32>
    %v = "nn.constant"() {value = dense_resource<v> : tensor<4x2xf32>} : () -> tensor<4x2xf32>
    %0 = "nn.matmul"(%x, %w) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<1x8xf32>, tensor<8x4xf32>) -> tensor<1x4xf32>
    %1 = "nn.matmul"(%0, %v) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<1x4xf32>, tensor<4x2xf32>) -> tensor<1x2xf32>
    return %0, %1 : tensor<1x4xf32>, tensor<1x2xf32>
  }
}

// -----

// So do products of many rows, and products by something that a run computes.
// CHECK: func.func @main
// CHECK-COUNT-4: "kernel.call"
module {
  func.func @main(%x: tensor<17x8xf32>, %y: tensor<1x8xf32>, %u: tensor<4x2xf32>) -> (tensor<17x2xf32>, tensor<1x2xf32>) {
    %w = "nn.constant"() {value = dense_resource<w> : tensor<8x4xf32>} : () -> tensor<8x4xf32>
    %v = "nn.constant"() {value = dense_resource<v> : tensor<4x2xf32>} : () -> tensor<4x2xf32>
    %0 = "nn.matmul"(%x, %w) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<17x8xf32>, tensor<8x4xf32>) -> tensor<17x4xf32>
    %1 = "nn.matmul"(%0, %v) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<17x4xf32>, tensor<4x2xf32>) -> tensor<17x2xf32>
    %2 = "nn.matmul"(%y, %w) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<1x8xf32>, tensor<8x4xf32>) -> tensor<1x4xf32>
    %3 = "nn.matmul"(%2, %u) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<1x4xf32>, tensor<4x2xf32>) -> tensor<1x2xf32>
    return %1, %3 : tensor<17x2xf32>, tensor<1x2xf32>
  }
}

// -----

// So do convolutions of more than a pixel.
// CHECK: func.func @main
// CHECK-COUNT-2: "kernel.call"
module {
  func.func @main(%x: tensor<1x8x1x2xf32>) -> tensor<1x2x1x2xf32> {
    %w = "nn.constant"() {value = dense_resource<w> : tensor<4x8x1x1xf32>} : () -> tensor<4x8x1x1xf32>
    %v = "nn.constant"() {value = dense_resource<v> : tensor<2x4x1x1xf32>} : () -> tensor<2x4x1x1xf32>
    %0 = "nn.conv"(%x, %w) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64, precision = "ieee"} : (tensor<1x8x1x2xf32>, tensor<4x8x1x1xf32>) -> tensor<1x4x1x2xf32>
    %1 = "nn.conv"(%0, %v) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64, precision = "ieee"} : (tensor<1x4x1x2xf32>, tensor<2x4x1x1xf32>) -> tensor<1x2x1x2xf32>
    return %1 : tensor<1x2x1x2xf32>
  }
}
