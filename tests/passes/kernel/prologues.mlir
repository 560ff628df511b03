// RUN: kernelwright opt %s --split-input-file --pass-pipeline=form-kernels | filecheck %s

// A 1x1 convolution of a joined tensor computes the batch norm and the activation before it.
// CHECK: "kernel.func"
// CHECK: "nn.mul"
// CHECK-NEXT: "nn.add"
// CHECK-NEXT: "nn.relu"
// CHECK-NEXT: "nn.conv"
// CHECK-NEXT: "nn.relu"
// CHECK-NEXT: "kernel.return"
// CHECK: func.func @main
// CHECK-COUNT-1: "kernel.call"
// CHECK-NOT: "kernel.call"
module {
  func.func @main(%x: tensor<?x8x4x4xf32, #kw.dims<"batch">>) -> tensor<?x4x4x4xf32, #kw.dims<"batch">> {
    %s = "nn.constant"() {value = dense_resource<scale> : tensor<8x1x1xf32>} : () -> tensor<8x1x1xf32>
    %b = "nn.constant"() {value = dense_resource<shift> : tensor<8x1x1xf32>} : () -> tensor<8x1x1xf32>
    %w = "nn.constant"() {value = dense_resource<w> : tensor<4x8x1x1xf32>} : () -> tensor<4x8x1x1xf32>
    %0 = "nn.mul"(%x, %s) : (tensor<?x8x4x4xf32, #kw.dims<"batch">>, tensor<8x1x1xf32>) -> tensor<?x8x4x4xf32, #kw.dims<"batch">>
    %1 = "nn.add"(%0, %b) : (tensor<?x8x4x4xf32, #kw.dims<"batch">>, tensor<8x1x1xf32>) -> tensor<?x8x4x4xf32, #kw.dims<"batch">>
    %2 = "nn.relu"(%1) : (tensor<?x8x4x4xf32, #kw.dims<"batch">>) -> tensor<?x8x4x4xf32, #kw.dims<"batch">>
    %3 = "nn.conv"(%2, %w) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<?x8x4x4xf32, #kw.dims<"batch">>, tensor<4x8x1x1xf32>) -> tensor<?x4x4x4xf32, #kw.dims<"batch">>
    %4 = "nn.relu"(%3) : (tensor<?x4x4x4xf32, #kw.dims<"batch">>) -> tensor<?x4x4x4xf32, #kw.dims<"batch">>
    return %4 : tensor<?x4x4x4xf32, #kw.dims<"batch">>
  }
}

// -----

// A conversion is free wherever elements are loaded: a convolution of any kernel and padding takes it.
// CHECK: "nn.cast"
// CHECK-NEXT: "nn.conv"
// CHECK-NEXT: "kernel.return"
// CHECK: func.func @main
// CHECK-COUNT-1: "kernel.call"
// CHECK-NOT: "kernel.call"
module {
  func.func @main(%x: tensor<1x8x4x4xf32>) -> tensor<1x8x4x4xf16> {
    %w = "nn.constant"() {value = dense_resource<w> : tensor<8x8x3x3xf16>} : () -> tensor<8x8x3x3xf16>
    %0 = "nn.cast"(%x) {to = f16} : (tensor<1x8x4x4xf32>) -> tensor<1x8x4x4xf16>
    %1 = "nn.conv"(%0, %w) {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : (tensor<1x8x4x4xf16>, tensor<8x8x3x3xf16>) -> tensor<1x8x4x4xf16>
    return %1 : tensor<1x8x4x4xf16>
  }
}

// -----

// Not as a prologue: what another root can end with, what a 3x3 convolution would compute for every tap, what others
// read or the function returns, exponentials, a convolution whose weights are computed, and what is broadcast.
// CHECK: "nn.conv"
// CHECK-NEXT: "nn.relu"
// CHECK-NEXT: "kernel.return"
// CHECK: "nn.conv"
// CHECK-NEXT: "kernel.return"
// CHECK: func.func @main
// CHECK-COUNT-2: "kernel.call"
// CHECK-NOT: "kernel.call"
module {
  func.func @main(%x: tensor<1x8x4x4xf32>) -> tensor<1x8x4x4xf32> {
    %w = "nn.constant"() {value = dense_resource<w> : tensor<8x8x1x1xf32>} : () -> tensor<8x8x1x1xf32>
    %0 = "nn.conv"(%x, %w) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x8x4x4xf32>, tensor<8x8x1x1xf32>) -> tensor<1x8x4x4xf32>
    %1 = "nn.relu"(%0) : (tensor<1x8x4x4xf32>) -> tensor<1x8x4x4xf32>
    %2 = "nn.conv"(%1, %w) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x8x4x4xf32>, tensor<8x8x1x1xf32>) -> tensor<1x8x4x4xf32>
    return %2 : tensor<1x8x4x4xf32>
  }
}

// -----

// CHECK: func.func @main
// CHECK-COUNT-2: "kernel.call"
// CHECK-NOT: "kernel.call"
module {
  func.func @main(%x: tensor<1x8x4x4xf32>) -> tensor<1x8x4x4xf32> {
    %w = "nn.constant"() {value = dense_resource<w> : tensor<8x8x3x3xf32>} : () -> tensor<8x8x3x3xf32>
    %0 = "nn.relu"(%x) : (tensor<1x8x4x4xf32>) -> tensor<1x8x4x4xf32>
    %1 = "nn.conv"(%0, %w) {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : (tensor<1x8x4x4xf32>, tensor<8x8x3x3xf32>) -> tensor<1x8x4x4xf32>
    return %1 : tensor<1x8x4x4xf32>
  }
}

// -----

// CHECK: func.func @main
// CHECK-COUNT-4: "kernel.call"
// CHECK-NOT: "kernel.call"
module {
  func.func @main(%x: tensor<1x8x4x4xf32>, %v: tensor<8x8x1x1xf32>) -> (tensor<1x8x4x4xf32>, tensor<1x8x4x4xf32>, tensor<1x8x4x4xf32>) {
    %w = "nn.constant"() {value = dense_resource<w> : tensor<8x8x1x1xf32>} : () -> tensor<8x8x1x1xf32>
    %0 = "nn.relu"(%x) : (tensor<1x8x4x4xf32>) -> tensor<1x8x4x4xf32>
    %1 = "nn.conv"(%0, %w) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x8x4x4xf32>, tensor<8x8x1x1xf32>) -> tensor<1x8x4x4xf32>
    %2 = "nn.exp"(%x) : (tensor<1x8x4x4xf32>) -> tensor<1x8x4x4xf32>
    %3 = "nn.conv"(%2, %w) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x8x4x4xf32>, tensor<8x8x1x1xf32>) -> tensor<1x8x4x4xf32>
    return %0, %1, %3 : tensor<1x8x4x4xf32>, tensor<1x8x4x4xf32>, tensor<1x8x4x4xf32>
  }
}

// -----

// CHECK: func.func @main
// CHECK-COUNT-2: "kernel.call"
// CHECK-NOT: "kernel.call"
module {
  func.func @main(%x: tensor<1x8x4x4xf32>, %v: tensor<8x8x1x1xf32>) -> tensor<1x8x4x4xf32> {
    %0 = "nn.neg"(%x) : (tensor<1x8x4x4xf32>) -> tensor<1x8x4x4xf32>
    %1 = "nn.conv"(%0, %v) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x8x4x4xf32>, tensor<8x8x1x1xf32>) -> tensor<1x8x4x4xf32>
    return %1 : tensor<1x8x4x4xf32>
  }
}

// -----

// CHECK: func.func @main
// CHECK-COUNT-2: "kernel.call"
// CHECK-NOT: "kernel.call"
module {
  func.func @main(%x: tensor<1x8x4x4xf32>, %g: tensor<1x8x1x1xf32>) -> tensor<1x8x4x4xf32> {
    %w = "nn.constant"() {value = dense_resource<w> : tensor<8x8x1x1xf32>} : () -> tensor<8x8x1x1xf32>
    %0 = "nn.hard_sigmoid"(%g) {alpha = 0.2 : f64, beta = 0.5 : f64} : (tensor<1x8x1x1xf32>) -> tensor<1x8x1x1xf32>
    %1 = "nn.mul"(%x, %0) : (tensor<1x8x4x4xf32>, tensor<1x8x1x1xf32>) -> tensor<1x8x4x4xf32>
    %2 = "nn.conv"(%1, %w) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x8x4x4xf32>, tensor<8x8x1x1xf32>) -> tensor<1x8x4x4xf32>
    return %2 : tensor<1x8x4x4xf32>
  }
}

// -----

// A mean of windows apart is computed on the way, and what stands before it; the convolution is the kernel's root.
// CHECK: "nn.relu"
// CHECK-NEXT: "nn.avg_pool"
// CHECK-NEXT: "nn.conv"
// CHECK-NEXT: "nn.sigmoid"
// CHECK-NEXT: "kernel.return"
// CHECK-NOT: "kernel.func"
// CHECK: func.func @main
module {
  func.func @main(%x: tensor<1x8x4x4xf32>) -> tensor<1x8x2x2xf32> {
    %w = "nn.constant"() {value = dense_resource<w> : tensor<8x8x1x1xf32>} : () -> tensor<8x8x1x1xf32>
    %0 = "nn.relu"(%x) : (tensor<1x8x4x4xf32>) -> tensor<1x8x4x4xf32>
    %1 = "nn.avg_pool"(%0) {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, ceil_mode = false} : (tensor<1x8x4x4xf32>) -> tensor<1x8x2x2xf32>
    %2 = "nn.conv"(%1, %w) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x8x2x2xf32>, tensor<8x8x1x1xf32>) -> tensor<1x8x2x2xf32>
    %3 = "nn.sigmoid"(%2) : (tensor<1x8x2x2xf32>) -> tensor<1x8x2x2xf32>
    return %3 : tensor<1x8x2x2xf32>
  }
}

// -----

// Windows that overlap would be computed again and again.
// CHECK: func.func @main
// CHECK-COUNT-2: "kernel.call"
// CHECK-NOT: "kernel.call"
module {
  func.func @main(%x: tensor<1x8x5x5xf32>) -> tensor<1x8x2x2xf32> {
    %w = "nn.constant"() {value = dense_resource<w> : tensor<8x8x1x1xf32>} : () -> tensor<8x8x1x1xf32>
    %1 = "nn.avg_pool"(%x) {kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, ceil_mode = false} : (tensor<1x8x5x5xf32>) -> tensor<1x8x2x2xf32>
    %2 = "nn.conv"(%1, %w) {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x8x2x2xf32>, tensor<8x8x1x1xf32>) -> tensor<1x8x2x2xf32>
    return %2 : tensor<1x8x2x2xf32>
  }
}
