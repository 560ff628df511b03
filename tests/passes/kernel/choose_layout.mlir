// RUN: kernelwright opt %s --split-input-file --target=cuda:h200 --pass-pipeline=form-kernels,choose-layout | filecheck %s

// Between two convolutions on tensor cores, channels come last; input and output of the model stay as they are.
// CHECK: "nn.conv"
// CHECK-NEXT: "nn.relu"
// CHECK-NEXT: "nn.transpose"
// CHECK-SAME: -> tensor<2x6x6x8xf16>
// CHECK-NEXT: "kernel.return"
// CHECK: "nn.transpose"
// CHECK-SAME: -> tensor<2x8x6x6xf16>
// CHECK: "nn.max_pool"
// CHECK: func.func @main
// CHECK: "kernel.call"{{.*}} -> tensor<2x6x6x8xf16>
// CHECK: "kernel.call"{{.*}} -> tensor<2x6x6x16xf16>
// CHECK: "kernel.call"{{.*}} -> tensor<2x16x5x5xf16>
// CHECK: return
module {
  func.func @main(%x: tensor<2x3x6x6xf16>) -> tensor<2x16x5x5xf16> {
    %w = "nn.constant"() {value = dense_resource<w> : tensor<8x3x3x3xf16>} : () -> tensor<8x3x3x3xf16>
    %v = "nn.constant"() {value = dense_resource<v> : tensor<16x8x1x1xf16>} : () -> tensor<16x8x1x1xf16>
    %0 = "nn.conv"(%x, %w) {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : (tensor<2x3x6x6xf16>, tensor<8x3x3x3xf16>) -> tensor<2x8x6x6xf16>
    %1 = "nn.relu"(%0) : (tensor<2x8x6x6xf16>) -> tensor<2x8x6x6xf16>
    %2 = "nn.conv"(%1, %v) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<2x8x6x6xf16>, tensor<16x8x1x1xf16>) -> tensor<2x16x6x6xf16>
    %3 = "nn.max_pool"(%2) {kernel = array<i64: 2, 2>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<2x16x6x6xf16>) -> tensor<2x16x5x5xf16>
    return %3 : tensor<2x16x5x5xf16>
  }
}

// -----

// A residual is read as it lies, in the same layout; the kernel may still write over it.
// CHECK: "nn.transpose"
// CHECK: "nn.conv"
// CHECK-NEXT: "nn.add"
// CHECK-NEXT: "nn.transpose"
// CHECK: in_place = array<i64: 2>
// CHECK: func.func @main
// CHECK-COUNT-3: -> tensor<2x6x6x8xf16>
// CHECK: return
module {
  func.func @main(%x: tensor<2x8x6x6xf16>) -> tensor<2x8x5x5xf16> {
    %w = "nn.constant"() {value = dense_resource<w> : tensor<8x8x3x3xf16>} : () -> tensor<8x8x3x3xf16>
    %v = "nn.constant"() {value = dense_resource<v> : tensor<8x8x3x3xf16>} : () -> tensor<8x8x3x3xf16>
    %0 = "nn.conv"(%x, %w) {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : (tensor<2x8x6x6xf16>, tensor<8x8x3x3xf16>) -> tensor<2x8x6x6xf16>
    %2 = "nn.conv"(%x, %v) {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : (tensor<2x8x6x6xf16>, tensor<8x8x3x3xf16>) -> tensor<2x8x6x6xf16>
    %3 = "nn.add"(%2, %0) : (tensor<2x8x6x6xf16>, tensor<2x8x6x6xf16>) -> tensor<2x8x6x6xf16>
    %u = "nn.constant"() {value = dense_resource<u> : tensor<8x8x1x1xf16>} : () -> tensor<8x8x1x1xf16>
    %4 = "nn.conv"(%3, %u) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<2x8x6x6xf16>, tensor<8x8x1x1xf16>) -> tensor<2x8x6x6xf16>
    %5 = "nn.max_pool"(%4) {kernel = array<i64: 2, 2>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<2x8x6x6xf16>) -> tensor<2x8x5x5xf16>
    return %5 : tensor<2x8x5x5xf16>
  }
}

// -----

// Not for f32 without tensor cores, depthwise convolutions, or what is concatenated or returned.
// CHECK: func.func @main
// CHECK-NOT: -> tensor<2x6x6x8xf32>
// CHECK: return
module {
  func.func @main(%x: tensor<2x8x6x6xf32>) -> tensor<2x8x6x6xf32> {
    %w = "nn.constant"() {value = dense_resource<w> : tensor<8x8x1x1xf32>} : () -> tensor<8x8x1x1xf32>
    %v = "nn.constant"() {value = dense_resource<v> : tensor<8x8x1x1xf32>} : () -> tensor<8x8x1x1xf32>
    %0 = "nn.conv"(%x, %w) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<2x8x6x6xf32>, tensor<8x8x1x1xf32>) -> tensor<2x8x6x6xf32>
    %1 = "nn.conv"(%0, %v) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<2x8x6x6xf32>, tensor<8x8x1x1xf32>) -> tensor<2x8x6x6xf32>
    return %1 : tensor<2x8x6x6xf32>
  }
}

// -----

// CHECK: func.func @main
// CHECK-NOT: -> tensor<2x6x6x8xf16>
// CHECK: return
module {
  func.func @main(%x: tensor<2x8x6x6xf16>) -> (tensor<2x8x6x6xf16>, tensor<2x16x6x6xf16>) {
    %w = "nn.constant"() {value = dense_resource<w> : tensor<8x8x1x1xf16>} : () -> tensor<8x8x1x1xf16>
    %d = "nn.constant"() {value = dense_resource<d> : tensor<8x1x3x3xf16>} : () -> tensor<8x1x3x3xf16>
    %0 = "nn.conv"(%x, %w) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<2x8x6x6xf16>, tensor<8x8x1x1xf16>) -> tensor<2x8x6x6xf16>
    %1 = "nn.conv"(%0, %d) {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, group = 8 : i64} : (tensor<2x8x6x6xf16>, tensor<8x1x3x3xf16>) -> tensor<2x8x6x6xf16>
    %2 = "nn.conv"(%1, %w) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<2x8x6x6xf16>, tensor<8x8x1x1xf16>) -> tensor<2x8x6x6xf16>
    %3 = "nn.conv"(%2, %w) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<2x8x6x6xf16>, tensor<8x8x1x1xf16>) -> tensor<2x8x6x6xf16>
    %4 = "nn.concat"(%2, %3) {axis = 1 : i64} : (tensor<2x8x6x6xf16>, tensor<2x8x6x6xf16>) -> tensor<2x16x6x6xf16>
    return %2, %4 : tensor<2x8x6x6xf16>, tensor<2x16x6x6xf16>
  }
}

// -----

// Nor where no convolution reads it, or a kernel would only permute what another made.
// CHECK: func.func @main
// CHECK-NOT: -> tensor<2x6x6x8xf16>
// CHECK: return
module {
  func.func @main(%x: tensor<2x3x6x6xf16>, %y: tensor<2x8x6x6xf16>) -> (tensor<2x8x5x5xf16>, tensor<2x8xf16>) {
    %w = "nn.constant"() {value = dense_resource<w> : tensor<8x3x3x3xf16>} : () -> tensor<8x3x3x3xf16>
    %v = "nn.constant"() {value = dense_resource<v> : tensor<8x8x1x1xf16>} : () -> tensor<8x8x1x1xf16>
    %0 = "nn.conv"(%x, %w) {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : (tensor<2x3x6x6xf16>, tensor<8x3x3x3xf16>) -> tensor<2x8x6x6xf16>
    %1 = "nn.max_pool"(%0) {kernel = array<i64: 2, 2>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<2x8x6x6xf16>) -> tensor<2x8x5x5xf16>
    %2 = "nn.exp"(%y) : (tensor<2x8x6x6xf16>) -> tensor<2x8x6x6xf16>
    %3 = "nn.conv"(%2, %v) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<2x8x6x6xf16>, tensor<8x8x1x1xf16>) -> tensor<2x8x6x6xf16>
    %4 = "nn.reduce"(%3) {kind = "mean", axes = array<i64: 2, 3>, keep_dims = false} : (tensor<2x8x6x6xf16>) -> tensor<2x8xf16>
    return %1, %4 : tensor<2x8x5x5xf16>, tensor<2x8xf16>
  }
}

// -----

// Concatenations of several images' channels, and what is pooled for them, keep to the layout of the convolutions.
// CHECK: "nn.concat"
// CHECK-NEXT: "nn.transpose"
// CHECK-SAME: -> tensor<2x6x6x16xf16>
// CHECK: func.func @main
// CHECK: -> tensor<2x6x6x8xf16>
// CHECK: "kernel.call"{{.*}} -> tensor<2x6x6x8xf16>
// CHECK: "kernel.call"{{.*}} -> tensor<2x6x6x16xf16>
// CHECK: return
module {
  func.func @main(%x: tensor<2x3x6x6xf16>) -> tensor<2x8x5x5xf16> {
    %w = "nn.constant"() {value = dense_resource<w> : tensor<8x3x3x3xf16>} : () -> tensor<8x3x3x3xf16>
    %v = "nn.constant"() {value = dense_resource<v> : tensor<8x16x3x3xf16>} : () -> tensor<8x16x3x3xf16>
    %0 = "nn.conv"(%x, %w) {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : (tensor<2x3x6x6xf16>, tensor<8x3x3x3xf16>) -> tensor<2x8x6x6xf16>
    %1 = "nn.max_pool"(%0) {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : (tensor<2x8x6x6xf16>) -> tensor<2x8x6x6xf16>
    %2 = "nn.concat"(%0, %1) {axis = 1 : i64} : (tensor<2x8x6x6xf16>, tensor<2x8x6x6xf16>) -> tensor<2x16x6x6xf16>
    %3 = "nn.conv"(%2, %v) {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : (tensor<2x16x6x6xf16>, tensor<8x16x3x3xf16>) -> tensor<2x8x6x6xf16>
    %4 = "nn.max_pool"(%3) {kernel = array<i64: 2, 2>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<2x8x6x6xf16>) -> tensor<2x8x5x5xf16>
    return %4 : tensor<2x8x5x5xf16>
  }
}

// -----

// What is pooled for the model's result alone is not turned on the way.
// CHECK: func.func @main
// CHECK: "kernel.call"{{.*}} -> tensor<2x8x6x6xf16>
// CHECK: "kernel.call"{{.*}} -> tensor<2x8x5x5xf16>
// CHECK: return
module {
  func.func @main(%x: tensor<2x3x6x6xf16>) -> tensor<2x8x5x5xf16> {
    %w = "nn.constant"() {value = dense_resource<w> : tensor<8x3x3x3xf16>} : () -> tensor<8x3x3x3xf16>
    %0 = "nn.conv"(%x, %w) {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : (tensor<2x3x6x6xf16>, tensor<8x3x3x3xf16>) -> tensor<2x8x6x6xf16>
    %1 = "nn.max_pool"(%0) {kernel = array<i64: 2, 2>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<2x8x6x6xf16>) -> tensor<2x8x5x5xf16>
    return %1 : tensor<2x8x5x5xf16>
  }
}

// -----

// It passes through a depthwise convolution, whose threads take whole 16 bytes of channels, and the mean that reads it.
// CHECK: func.func @main
// CHECK: "kernel.call"
// CHECK-SAME: -> tensor<1x6x6x8xf16>
// CHECK: "kernel.call"
// CHECK-SAME: -> tensor<1x6x6x8xf16>
// CHECK: "kernel.call"
// CHECK-SAME: -> tensor<1x8x1x1xf16>
module {
  func.func @main(%x: tensor<1x3x6x6xf16>) -> (tensor<1x8x1x1xf16>, tensor<1x8x1x1xf16>) {
    %w = "nn.constant"() {value = dense_resource<w> : tensor<8x3x3x3xf16>} : () -> tensor<8x3x3x3xf16>
    %d = "nn.constant"() {value = dense_resource<d> : tensor<8x1x3x3xf16>} : () -> tensor<8x1x3x3xf16>
    %v = "nn.constant"() {value = dense_resource<v> : tensor<8x8x1x1xf16>} : () -> tensor<8x8x1x1xf16>
    %0 = "nn.conv"(%x, %w) {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : (tensor<1x3x6x6xf16>, tensor<8x3x3x3xf16>) -> tensor<1x8x6x6xf16>
    %1 = "nn.conv"(%0, %d) {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, group = 8 : i64} : (tensor<1x8x6x6xf16>, tensor<8x1x3x3xf16>) -> tensor<1x8x6x6xf16>
    %2 = "nn.reduce"(%1) {kind = "mean", axes = array<i64: 2, 3>, keep_dims = true} : (tensor<1x8x6x6xf16>) -> tensor<1x8x1x1xf16>
    %3 = "nn.conv"(%1, %v) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x8x6x6xf16>, tensor<8x8x1x1xf16>) -> tensor<1x8x6x6xf16>
    %4 = "nn.reduce"(%3) {kind = "mean", axes = array<i64: 2, 3>, keep_dims = true} : (tensor<1x8x6x6xf16>) -> tensor<1x8x1x1xf16>
    return %2, %4 : tensor<1x8x1x1xf16>, tensor<1x8x1x1xf16>
  }
}

// -----

// Four channels of a pixel are 8 bytes.
// CHECK: func.func @main
// CHECK-NOT: -> tensor<1x6x6x4xf16>
// CHECK: return
module {
  func.func @main(%x: tensor<1x3x6x6xf16>) -> tensor<1x8x1x1xf16> {
    %w = "nn.constant"() {value = dense_resource<w> : tensor<4x3x3x3xf16>} : () -> tensor<4x3x3x3xf16>
    %d = "nn.constant"() {value = dense_resource<d> : tensor<4x1x3x3xf16>} : () -> tensor<4x1x3x3xf16>
    %v = "nn.constant"() {value = dense_resource<v> : tensor<8x4x1x1xf16>} : () -> tensor<8x4x1x1xf16>
    %0 = "nn.conv"(%x, %w) {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : (tensor<1x3x6x6xf16>, tensor<4x3x3x3xf16>) -> tensor<1x4x6x6xf16>
    %1 = "nn.conv"(%0, %d) {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, group = 4 : i64} : (tensor<1x4x6x6xf16>, tensor<4x1x3x3xf16>) -> tensor<1x4x6x6xf16>
    %2 = "nn.conv"(%1, %v) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x4x6x6xf16>, tensor<8x4x1x1xf16>) -> tensor<1x8x6x6xf16>
    %3 = "nn.reduce"(%2) {kind = "mean", axes = array<i64: 2, 3>, keep_dims = true} : (tensor<1x8x6x6xf16>) -> tensor<1x8x1x1xf16>
    return %3 : tensor<1x8x1x1xf16>
  }
}
