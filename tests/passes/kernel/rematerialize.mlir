// RUN: kernelwright opt %s --split-input-file --pass-pipeline=form-kernels,rematerialize,dce | filecheck %s

// The mask is not kept while the large product runs: it is computed again from the input.
// CHECK-LABEL: func.func @main(%x
// CHECK-NEXT: %[[MASK:.*]] = "kernel.call"(%x) {callee = @mask}
// CHECK-NEXT: %[[A:.*]] = "kernel.call"({{.*}}%[[MASK]]
// CHECK-NEXT: %[[B:.*]] = "kernel.call"(%[[A]]
// CHECK-NEXT: %[[C:.*]] = "kernel.call"(%[[B]]
// CHECK-NEXT: %[[AGAIN:.*]] = "kernel.call"(%x) {callee = @mask}
// CHECK-NEXT: "kernel.call"({{.*}}%[[AGAIN]]
// CHECK-NEXT: return
module {
  func.func @main(%x: tensor<64x1xf32>, %y: tensor<64x64xf32>, %w: tensor<64x256xf32>, %v: tensor<256x64xf32>) -> tensor<64x64xf32> {
    %t = "nn.transpose"(%x) {perm = array<i64: 1, 0>} : (tensor<64x1xf32>) -> tensor<1x64xf32>
    %mask = "nn.mul"(%x, %t) : (tensor<64x1xf32>, tensor<1x64xf32>) -> tensor<64x64xf32> loc("mask")
    %a = "nn.matmul"(%y, %mask) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
    %b = "nn.matmul"(%a, %w) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<64x64xf32>, tensor<64x256xf32>) -> tensor<64x256xf32>
    %c = "nn.matmul"(%b, %v) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<64x256xf32>, tensor<256x64xf32>) -> tensor<64x64xf32>
    %d = "nn.matmul"(%c, %mask) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
    return %d : tensor<64x64xf32>
  }
}

// -----

// Read late only, it is made late.
// CHECK-LABEL: func.func @main(%x
// CHECK-NEXT: %[[B:.*]] = "kernel.call"(%y
// CHECK-NEXT: %[[C:.*]] = "kernel.call"(%[[B]]
// CHECK-NEXT: %[[MASK:.*]] = "kernel.call"(%x)
// CHECK-NEXT: "kernel.call"({{.*}}%[[MASK]]
// CHECK-NEXT: return
module {
  func.func @main(%x: tensor<64x1xf32>, %y: tensor<64x64xf32>, %w: tensor<64x256xf32>, %v: tensor<256x64xf32>) -> tensor<64x64xf32> {
    %t = "nn.transpose"(%x) {perm = array<i64: 1, 0>} : (tensor<64x1xf32>) -> tensor<1x64xf32>
    %mask = "nn.mul"(%x, %t) : (tensor<64x1xf32>, tensor<1x64xf32>) -> tensor<64x64xf32>
    %b = "nn.matmul"(%y, %w) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<64x64xf32>, tensor<64x256xf32>) -> tensor<64x256xf32>
    %c = "nn.matmul"(%b, %v) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<64x256xf32>, tensor<256x64xf32>) -> tensor<64x64xf32>
    %d = "nn.matmul"(%c, %mask) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
    return %d : tensor<64x64xf32>
  }
}

// -----

// What it is computed from would have to be kept instead, a product is not cheap, and an output is there anyway.
// CHECK-LABEL: func.func @main(%x
// CHECK-COUNT-7: "kernel.call"
// CHECK-NOT: "kernel.call"
module {
  func.func @main(%x: tensor<64x64xf32>, %w: tensor<64x256xf32>, %v: tensor<256x64xf32>) -> (tensor<64x64xf32>, tensor<64x64xf32>) {
    %p = "nn.matmul"(%x, %x) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
    %q = "nn.flip"(%p) {axes = array<i64: 0>} : (tensor<64x64xf32>) -> tensor<64x64xf32>
    %o = "nn.flip"(%x) {axes = array<i64: 1>} : (tensor<64x64xf32>) -> tensor<64x64xf32>
    %a = "nn.matmul"(%o, %q) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
    %b = "nn.matmul"(%a, %w) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<64x64xf32>, tensor<64x256xf32>) -> tensor<64x256xf32>
    %c = "nn.matmul"(%b, %v) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<64x256xf32>, tensor<256x64xf32>) -> tensor<64x64xf32>
    %d = "nn.matmul"(%c, %q) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
    return %d, %o : tensor<64x64xf32>, tensor<64x64xf32>
  }
}
