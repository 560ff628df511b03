// RUN: kernelwright opt %s --pass-pipeline=move-pools --split-input-file | filecheck %s

// A pooling that leaves fewer pixels goes before the convolution, whose bias it does not change.
// CHECK: func.func @main
func.func @main(%x: tensor<1x8x4x4xf32>, %w: tensor<16x8x1x1xf32>, %b: tensor<16xf32>) -> tensor<1x16x2x2xf32> {
  // CHECK: %[[P:.*]] = "nn.avg_pool"(%x)
  // CHECK-SAME: -> tensor<1x8x2x2xf32>
  // CHECK: "nn.conv"(%[[P]], %w, %b)
  // CHECK-SAME: -> tensor<1x16x2x2xf32>
  %0 = "nn.conv"(%x, %w, %b) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x8x4x4xf32>, tensor<16x8x1x1xf32>, tensor<16xf32>) -> tensor<1x16x4x4xf32>
  %1 = "nn.avg_pool"(%0) {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, ceil_mode = false} : (tensor<1x16x4x4xf32>) -> tensor<1x16x2x2xf32>
  return %1 : tensor<1x16x2x2xf32>
}

// -----

// A pooling of all pixels goes behind a convolution with fewer outputs; the bias is added after means that count
// zeros.
// CHECK: func.func @main
func.func @main(%x: tensor<?x8x4x4xf32, #kw.dims<"batch">>, %w: tensor<4x8x1x1xf32>, %b: tensor<4xf32>) -> tensor<?x4x4x4xf32, #kw.dims<"batch">> {
  // CHECK: %[[C:.*]] = "nn.conv"(%x, %w)
  // CHECK: %[[P:.*]] = "nn.avg_pool"(%[[C]])
  // CHECK: %[[B:.*]] = "nn.reshape"(%b)
  // CHECK-SAME: -> tensor<4x1x1xf32>
  // CHECK: "nn.add"(%[[P]], %[[B]])
  %0 = "nn.avg_pool"(%x) {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, ceil_mode = false, count_include_pad = true} : (tensor<?x8x4x4xf32, #kw.dims<"batch">>) -> tensor<?x8x4x4xf32, #kw.dims<"batch">>
  %1 = "nn.conv"(%0, %w, %b) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<?x8x4x4xf32, #kw.dims<"batch">>, tensor<4x8x1x1xf32>, tensor<4xf32>) -> tensor<?x4x4x4xf32, #kw.dims<"batch">>
  return %1 : tensor<?x4x4x4xf32, #kw.dims<"batch">>
}

// -----

// Where padding does not count, the bias stays where it is.
// CHECK: func.func @main
func.func @main(%x: tensor<1x8x4x4xf32>, %w: tensor<4x8x1x1xf32>, %b: tensor<4xf32>) -> tensor<1x4x4x4xf32> {
  // CHECK: %[[C:.*]] = "nn.conv"(%x, %w, %b)
  // CHECK: %[[P:.*]] = "nn.avg_pool"(%[[C]])
  // CHECK: return %[[P]]
  %0 = "nn.avg_pool"(%x) {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, ceil_mode = false} : (tensor<1x8x4x4xf32>) -> tensor<1x8x4x4xf32>
  %1 = "nn.conv"(%0, %w, %b) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x8x4x4xf32>, tensor<4x8x1x1xf32>, tensor<4xf32>) -> tensor<1x4x4x4xf32>
  return %1 : tensor<1x4x4x4xf32>
}

// -----

// Not moved: behind a convolution with more outputs than inputs, one with a window, one whose pooled input others read.
// CHECK: func.func @main
func.func @main(%x: tensor<1x4x4x4xf32>, %w: tensor<8x4x1x1xf32>, %v: tensor<4x4x3x3xf32>, %u: tensor<4x4x1x1xf32>) -> (tensor<1x8x4x4xf32>, tensor<1x4x4x4xf32>, tensor<1x4x4x4xf32>) {
  // CHECK: "nn.avg_pool"(%x)
  // CHECK-NEXT: "nn.conv"
  // CHECK-NEXT: "nn.avg_pool"(%x)
  // CHECK-NEXT: "nn.conv"
  // CHECK-NEXT: "nn.conv"
  // CHECK-NEXT: return
  %0 = "nn.avg_pool"(%x) {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, ceil_mode = false} : (tensor<1x4x4x4xf32>) -> tensor<1x4x4x4xf32>
  %1 = "nn.conv"(%0, %w) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x4x4x4xf32>, tensor<8x4x1x1xf32>) -> tensor<1x8x4x4xf32>
  %2 = "nn.avg_pool"(%x) {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, ceil_mode = false} : (tensor<1x4x4x4xf32>) -> tensor<1x4x4x4xf32>
  %3 = "nn.conv"(%2, %v) {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : (tensor<1x4x4x4xf32>, tensor<4x4x3x3xf32>) -> tensor<1x4x4x4xf32>
  %4 = "nn.conv"(%2, %u) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x4x4x4xf32>, tensor<4x4x1x1xf32>) -> tensor<1x4x4x4xf32>
  return %1, %3, %4 : tensor<1x8x4x4xf32>, tensor<1x4x4x4xf32>, tensor<1x4x4x4xf32>
}

// -----

// Not moved: before a convolution whose result others read, with an activation between, and where a bias would count as
// padding.
// CHECK: func.func @main
func.func @main(%x: tensor<1x8x4x4xf32>, %w: tensor<8x8x1x1xf32>, %b: tensor<8xf32>) -> (tensor<1x8x4x4xf32>, tensor<1x8x2x2xf32>, tensor<1x8x2x2xf32>, tensor<1x8x3x3xf32>) {
  // CHECK-NOT: "nn.avg_pool"(%x)
  // CHECK: return
  %0 = "nn.conv"(%x, %w) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x8x4x4xf32>, tensor<8x8x1x1xf32>) -> tensor<1x8x4x4xf32>
  %1 = "nn.avg_pool"(%0) {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, ceil_mode = false} : (tensor<1x8x4x4xf32>) -> tensor<1x8x2x2xf32>
  %2 = "nn.conv"(%x, %w, %b) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x8x4x4xf32>, tensor<8x8x1x1xf32>, tensor<8xf32>) -> tensor<1x8x4x4xf32>
  %3 = "nn.relu"(%2) : (tensor<1x8x4x4xf32>) -> tensor<1x8x4x4xf32>
  %4 = "nn.avg_pool"(%3) {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, ceil_mode = false} : (tensor<1x8x4x4xf32>) -> tensor<1x8x2x2xf32>
  %5 = "nn.conv"(%x, %w, %b) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x8x4x4xf32>, tensor<8x8x1x1xf32>, tensor<8xf32>) -> tensor<1x8x4x4xf32>
  %6 = "nn.avg_pool"(%5) {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, ceil_mode = false, count_include_pad = true} : (tensor<1x8x4x4xf32>) -> tensor<1x8x3x3xf32>
  return %0, %1, %4, %6 : tensor<1x8x4x4xf32>, tensor<1x8x2x2xf32>, tensor<1x8x2x2xf32>, tensor<1x8x3x3xf32>
}
