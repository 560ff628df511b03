// RUN: kernelwright opt %s --split-input-file --target=cuda:h200 --pass-pipeline=fold-norms,form-kernels,fuse-row-sums | filecheck %s

// Sums of the rows are results of the product's kernel. The next product computes factors of its rows from them, and so
// does the one whose residual is normalized.
// CHECK: func.func @main
// CHECK: %[[X:.*]], %[[A:.*]], %[[B:.*]] = "kernel.call"
// CHECK-SAME: -> (tensor<128x256xf16>, tensor<128x4xf32>, tensor<128x4xf32>)
// CHECK: "kernel.call"(
// CHECK-SAME: -> tensor<128x512xf16>
// CHECK: "kernel.call"(
// CHECK-SAME: -> tensor<128x256xf16>
// CHECK-NEXT: return
module {
  func.func @main(%a: tensor<128x128xf16>, %r: tensor<128x256xf16>) -> tensor<128x256xf16> {
    %w = "nn.constant"() {value = dense<0.5> : tensor<128x256xf16>} : () -> tensor<128x256xf16>
    %g = "nn.constant"() {value = dense<2.0> : tensor<256xf32>} : () -> tensor<256xf32>
    %0 = "nn.matmul"(%a, %w) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<128x128xf16>, tensor<128x256xf16>) -> tensor<128x256xf16>
    %x = "nn.add"(%0, %r) : (tensor<128x256xf16>, tensor<128x256xf16>) -> tensor<128x256xf16>
    %v = "nn.constant"() {value = dense<0.25> : tensor<256x512xf16>} : () -> tensor<256x512xf16>
    %u = "nn.constant"() {value = dense<0.25> : tensor<512x256xf16>} : () -> tensor<512x256xf16>
    %n = "nn.layer_norm"(%x, %g) {axis = 1 : i64, epsilon = 1.0e-05 : f64, operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<128x256xf16>, tensor<256xf32>) -> tensor<128x256xf16>
    %y = "nn.matmul"(%n, %v) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<128x256xf16>, tensor<256x512xf16>) -> tensor<128x512xf16>
    %1 = "nn.matmul"(%y, %u) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<128x512xf16>, tensor<512x256xf16>) -> tensor<128x256xf16>
    %z = "nn.add"(%1, %n) : (tensor<128x256xf16>, tensor<128x256xf16>) -> tensor<128x256xf16>
    return %z : tensor<128x256xf16>
  }
}

// -----

// No strategy takes spans of so few columns.
// CHECK: func.func @main
// CHECK: "kernel.call"{{.*}} -> tensor<128x256xf16>
// CHECK: "kernel.call"{{.*}} -> tensor<128x8xf32>
module {
  func.func @main(%a: tensor<128x128xf16>) -> (tensor<128x256xf16>, tensor<128x8xf32>) {
    %w = "nn.constant"() {value = dense<0.5> : tensor<128x256xf16>} : () -> tensor<128x256xf16>
    %x = "nn.matmul"(%a, %w) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<128x128xf16>, tensor<128x256xf16>) -> tensor<128x256xf16>
    %c = "nn.cast"(%x) {to = f32} : (tensor<128x256xf16>) -> tensor<128x256xf32>
    %s = "nn.reshape"(%c) : (tensor<128x256xf32>) -> tensor<128x8x32xf32>
    %y = "nn.reduce"(%s) {kind = "add", axes = array<i64: 2>, keep_dims = false} : (tensor<128x8x32xf32>) -> tensor<128x8xf32>
    return %x, %y : tensor<128x256xf16>, tensor<128x8xf32>
  }
}

// -----

// A kernel before the sums reads the product: it cannot wait for them.
// CHECK: func.func @main
// CHECK-COUNT-3: "kernel.call"
module {
  func.func @main(%a: tensor<128x128xf16>) -> (tensor<256x128xf16>, tensor<128x4xf32>) {
    %w = "nn.constant"() {value = dense<0.5> : tensor<128x256xf16>} : () -> tensor<128x256xf16>
    %x = "nn.matmul"(%a, %w) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<128x128xf16>, tensor<128x256xf16>) -> tensor<128x256xf16>
    %t = "nn.transpose"(%x) {perm = array<i64: 1, 0>} : (tensor<128x256xf16>) -> tensor<256x128xf16>
    %c = "nn.cast"(%x) {to = f32} : (tensor<128x256xf16>) -> tensor<128x256xf32>
    %s = "nn.reshape"(%c) : (tensor<128x256xf32>) -> tensor<128x4x64xf32>
    %y = "nn.reduce"(%s) {kind = "add", axes = array<i64: 2>, keep_dims = false} : (tensor<128x4x64xf32>) -> tensor<128x4xf32>
    return %t, %y : tensor<256x128xf16>, tensor<128x4xf32>
  }
}
