// RUN: kernelwright opt %s --split-input-file --pass-pipeline=form-kernels,join-launches | filecheck %s

// Keys and values are appended to a cache by one launch, which converts the cache as it reads it, and the keys' copy of
// another type is made there too.
// CHECK: "kernel.func"
// CHECK: "nn.cast"
// CHECK: "nn.concat"
// CHECK: "nn.concat"
// CHECK: "nn.cast"
// CHECK-NEXT: "kernel.return"{{.*}} : (tensor<1x2x5x4xf16>, tensor<1x2x5x4xf16>, tensor<1x2x5x4xf32>) -> ()
// CHECK: func.func @main
// CHECK: "kernel.call"
// CHECK-NEXT: return
module {
  func.func @main(%pk: tensor<1x2x3x4xf32>, %pv: tensor<1x2x3x4xf16>, %k: tensor<1x2x2x4xf16>, %v: tensor<1x2x2x4xf16>) -> (tensor<1x2x5x4xf16>, tensor<1x2x5x4xf16>, tensor<1x2x5x4xf32>) {
    %0 = "nn.cast"(%pk) {to = f16} : (tensor<1x2x3x4xf32>) -> tensor<1x2x3x4xf16>
    %1 = "nn.concat"(%0, %k) {axis = 2 : i64} : (tensor<1x2x3x4xf16>, tensor<1x2x2x4xf16>) -> tensor<1x2x5x4xf16>
    %2 = "nn.concat"(%pv, %v) {axis = 2 : i64} : (tensor<1x2x3x4xf16>, tensor<1x2x2x4xf16>) -> tensor<1x2x5x4xf16>
    %3 = "nn.cast"(%1) {to = f32} : (tensor<1x2x5x4xf16>) -> tensor<1x2x5x4xf32>
    return %1, %2, %3 : tensor<1x2x5x4xf16>, tensor<1x2x5x4xf16>, tensor<1x2x5x4xf32>
  }
}

// -----

// A product reads the first before the second can be made; a transpose of the first reads it elsewhere.
// CHECK: func.func @main
// CHECK-COUNT-4: "kernel.call"
// CHECK-NOT: "kernel.call"
module {
  func.func @main(%a: tensor<2x4xf32>, %b: tensor<2x4xf32>) -> (tensor<4x4xf32>, tensor<4x4xf32>, tensor<4x4xf32>) {
    %0 = "nn.concat"(%a, %b) {axis = 0 : i64} : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<4x4xf32>
    %1 = "nn.matmul"(%0, %0) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
    %2 = "nn.flip"(%1) {axes = array<i64: 0>} : (tensor<4x4xf32>) -> tensor<4x4xf32>
    %3 = "nn.flip"(%2) {axes = array<i64: 1>} : (tensor<4x4xf32>) -> tensor<4x4xf32>
    return %1, %2, %3 : tensor<4x4xf32>, tensor<4x4xf32>, tensor<4x4xf32>
  }
}

// -----

// Other shapes are other launches, and what could be done in place stays so.
// CHECK: func.func @main
// CHECK-COUNT-4: "kernel.call"
// CHECK-NOT: "kernel.call"
module {
  func.func @main(%a: tensor<4x4xf32>, %b: tensor<4x3xf32>) -> (tensor<4x4xf32>, tensor<4x3xf32>, tensor<4x4xf32>, tensor<4x4xf32>) {
    %0 = "nn.flip"(%a) {axes = array<i64: 0>} : (tensor<4x4xf32>) -> tensor<4x4xf32>
    %1 = "nn.flip"(%b) {axes = array<i64: 0>} : (tensor<4x3xf32>) -> tensor<4x3xf32>
    %2 = "nn.exp"(%a) : (tensor<4x4xf32>) -> tensor<4x4xf32>
    %3 = "nn.tanh"(%a) : (tensor<4x4xf32>) -> tensor<4x4xf32>
    return %0, %1, %2, %3 : tensor<4x4xf32>, tensor<4x3xf32>, tensor<4x4xf32>, tensor<4x4xf32>
  }
}

// -----

// What reads a reshape of a joined result comes behind the joined launch, and so does the reshape. A kernel that a
// branch reads is not made later than the branch.
// CHECK: func.func @main
// CHECK: "kernel.call"(%x, %y)
// CHECK-NEXT: "nn.reshape"
// CHECK: "kernel.call"(%z)
// CHECK: "nn.if"
// CHECK: "kernel.call"(%w)
module {
  func.func @main(%x: tensor<6xf32>, %y: tensor<6xf32>, %z: tensor<4xf32>, %w: tensor<4xf32>, %c: tensor<i1>) -> (tensor<2x3xf32>, tensor<6xf32>, tensor<4xf32>, tensor<4xf32>) {
    %a = "nn.flip"(%x) {axes = array<i64: 0>} : (tensor<6xf32>) -> tensor<6xf32>
    %r = "nn.reshape"(%a) : (tensor<6xf32>) -> tensor<2x3xf32>
    %b = "nn.flip"(%y) {axes = array<i64: 0>} : (tensor<6xf32>) -> tensor<6xf32>
    %d = "nn.flip"(%z) {axes = array<i64: 0>} : (tensor<4xf32>) -> tensor<4xf32>
    %e = "nn.if"(%c) ({
      "nn.yield"(%d) : (tensor<4xf32>) -> ()
    }, {
      "nn.yield"(%d) : (tensor<4xf32>) -> ()
    }) : (tensor<i1>) -> tensor<4xf32>
    %f = "nn.flip"(%w) {axes = array<i64: 0>} : (tensor<4xf32>) -> tensor<4xf32>
    return %r, %b, %e, %f : tensor<2x3xf32>, tensor<6xf32>, tensor<4xf32>, tensor<4xf32>
  }
}
