// RUN: kernelwright opt %s --target cpu --split-input-file --pass-pipeline=form-kernels,fuse-norms | filecheck %s

// The normalized rows are the only result.
// CHECK: "kernel.func"
// CHECK: "nn.matmul"
// CHECK: "nn.add"
// CHECK: "nn.reduce"
// CHECK: %[[Y:.*]] = "nn.mul"
// CHECK-NEXT: "kernel.return"(%[[Y]])
// CHECK-NOT: "kernel.func"
// CHECK: func.func @main
// CHECK: "kernel.call"
// CHECK-NEXT: return
module {
  func.func @main(%a: tensor<5x64xf32>, %r: tensor<5x48xf32>) -> tensor<5x48xf32> {
    %w = "nn.constant"() {value = dense<0.5> : tensor<64x48xf32>} : () -> tensor<64x48xf32>
    %0 = "nn.matmul"(%a, %w) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<5x64xf32>, tensor<64x48xf32>) -> tensor<5x48xf32>
    %x = "nn.add"(%0, %r) : (tensor<5x48xf32>, tensor<5x48xf32>) -> tensor<5x48xf32>
    %1 = "nn.mul"(%x, %x) : (tensor<5x48xf32>, tensor<5x48xf32>) -> tensor<5x48xf32>
    %2 = "nn.reduce"(%1) {kind = "mean", axes = array<i64: 1>, keep_dims = true} : (tensor<5x48xf32>) -> tensor<5x1xf32>
    %3 = "nn.rsqrt"(%2) : (tensor<5x1xf32>) -> tensor<5x1xf32>
    %y = "nn.mul"(%x, %3) : (tensor<5x48xf32>, tensor<5x1xf32>) -> tensor<5x48xf32>
    return %y : tensor<5x48xf32>
  }
}

// -----

// A residual connection reads the sum too: it is a result of the joined kernel.
// CHECK: %[[X:.*]] = "nn.add"
// CHECK: %[[Y:.*]] = "nn.mul"(%[[X]], %{{.*}}) : (tensor<5x48xf32>, tensor<5x1xf32>)
// CHECK-NEXT: "kernel.return"(%[[X]], %[[Y]])
// CHECK: func.func @main
// CHECK: %[[X:.*]], %[[Y:.*]] = "kernel.call"
// CHECK-NEXT: "kernel.call"(%[[Y]], %[[X]])
module {
  func.func @main(%a: tensor<5x64xf32>, %r: tensor<5x48xf32>) -> tensor<5x48xf32> {
    %w = "nn.constant"() {value = dense<0.5> : tensor<64x48xf32>} : () -> tensor<64x48xf32>
    %0 = "nn.matmul"(%a, %w) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<5x64xf32>, tensor<64x48xf32>) -> tensor<5x48xf32>
    %x = "nn.add"(%0, %r) : (tensor<5x48xf32>, tensor<5x48xf32>) -> tensor<5x48xf32>
    %1 = "nn.mul"(%x, %x) : (tensor<5x48xf32>, tensor<5x48xf32>) -> tensor<5x48xf32>
    %2 = "nn.reduce"(%1) {kind = "mean", axes = array<i64: 1>, keep_dims = true} : (tensor<5x48xf32>) -> tensor<5x1xf32>
    %3 = "nn.rsqrt"(%2) : (tensor<5x1xf32>) -> tensor<5x1xf32>
    %y = "nn.mul"(%x, %3) : (tensor<5x48xf32>, tensor<5x1xf32>) -> tensor<5x48xf32>
    %4 = "nn.transpose"(%y) {perm = array<i64: 1, 0>} : (tensor<5x48xf32>) -> tensor<48x5xf32>
    %5 = "nn.matmul"(%x, %4) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<5x48xf32>, tensor<48x5xf32>) -> tensor<5x5xf32>
    %6 = "nn.matmul"(%5, %y) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<5x5xf32>, tensor<5x48xf32>) -> tensor<5x48xf32>
    return %6 : tensor<5x48xf32>
  }
}

// -----

// A kernel before the normalization reads the sum: it cannot wait for both.
// CHECK: func.func @main
// CHECK-COUNT-3: "kernel.call"
module {
  func.func @main(%a: tensor<5x64xf32>, %r: tensor<5x48xf32>) -> (tensor<5x48xf32>, tensor<48x5xf32>) {
    %w = "nn.constant"() {value = dense<0.5> : tensor<64x48xf32>} : () -> tensor<64x48xf32>
    %0 = "nn.matmul"(%a, %w) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<5x64xf32>, tensor<64x48xf32>) -> tensor<5x48xf32>
    %x = "nn.add"(%0, %r) : (tensor<5x48xf32>, tensor<5x48xf32>) -> tensor<5x48xf32>
    %t = "nn.transpose"(%x) {perm = array<i64: 1, 0>} : (tensor<5x48xf32>) -> tensor<48x5xf32>
    %1 = "nn.mul"(%x, %x) : (tensor<5x48xf32>, tensor<5x48xf32>) -> tensor<5x48xf32>
    %2 = "nn.reduce"(%1) {kind = "mean", axes = array<i64: 1>, keep_dims = true} : (tensor<5x48xf32>) -> tensor<5x1xf32>
    %3 = "nn.rsqrt"(%2) : (tensor<5x1xf32>) -> tensor<5x1xf32>
    %y = "nn.mul"(%x, %3) : (tensor<5x48xf32>, tensor<5x1xf32>) -> tensor<5x48xf32>
    return %y, %t : tensor<5x48xf32>, tensor<48x5xf32>
  }
}

// -----

// No strategy takes a product with weights of run time and its rows.
// CHECK: func.func @main
// CHECK-COUNT-2: "kernel.call"
module {
  func.func @main(%a: tensor<5x64xf32>, %w: tensor<64x48xf32>, %r: tensor<5x48xf32>) -> tensor<5x48xf32> {
    %0 = "nn.matmul"(%a, %w) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<5x64xf32>, tensor<64x48xf32>) -> tensor<5x48xf32>
    %x = "nn.add"(%0, %r) : (tensor<5x48xf32>, tensor<5x48xf32>) -> tensor<5x48xf32>
    %1 = "nn.mul"(%x, %x) : (tensor<5x48xf32>, tensor<5x48xf32>) -> tensor<5x48xf32>
    %2 = "nn.reduce"(%1) {kind = "mean", axes = array<i64: 1>, keep_dims = true} : (tensor<5x48xf32>) -> tensor<5x1xf32>
    %3 = "nn.rsqrt"(%2) : (tensor<5x1xf32>) -> tensor<5x1xf32>
    %y = "nn.mul"(%x, %3) : (tensor<5x48xf32>, tensor<5x1xf32>) -> tensor<5x48xf32>
    return %y : tensor<5x48xf32>
  }
}

// -----

// Columns are no rows.
// CHECK: func.func @main
// CHECK-COUNT-2: "kernel.call"
module {
  func.func @main(%a: tensor<5x64xf32>) -> tensor<1x48xf32> {
    %w = "nn.constant"() {value = dense<0.5> : tensor<64x48xf32>} : () -> tensor<64x48xf32>
    %0 = "nn.matmul"(%a, %w) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<5x64xf32>, tensor<64x48xf32>) -> tensor<5x48xf32>
    %y = "nn.reduce"(%0) {kind = "mean", axes = array<i64: 0>, keep_dims = true} : (tensor<5x48xf32>) -> tensor<1x48xf32>
    return %y : tensor<1x48xf32>
  }
}
