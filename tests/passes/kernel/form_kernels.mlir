// RUN: kernelwright opt %s --split-input-file --pass-pipeline=form-kernels | filecheck %s

// A matmul takes the bias, the activation and the residual that follow it.
// CHECK: "kernel.func"
// CHECK: "nn.matmul"
// CHECK-NEXT: "nn.add"
// CHECK-NEXT: "nn.relu"
// CHECK-NEXT: "nn.add"
// CHECK-NEXT: "kernel.return"
// CHECK: in_place = array<i64: 3>
// CHECK: func.func @main
// CHECK: "kernel.call"
// CHECK-NOT: "kernel.call"
module {
  func.func @main(%x: tensor<4x8xf32>, %w: tensor<8x8xf32>, %b: tensor<8xf32>, %r: tensor<4x8xf32>) -> tensor<4x8xf32> {
    %0 = "nn.matmul"(%x, %w) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
    %1 = "nn.add"(%0, %b) : (tensor<4x8xf32>, tensor<8xf32>) -> tensor<4x8xf32>
    %2 = "nn.relu"(%1) : (tensor<4x8xf32>) -> tensor<4x8xf32>
    %3 = "nn.add"(%2, %r) : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
    return %3 : tensor<4x8xf32>
  }
}

// -----

// A value with users in two kernels is made once, by a kernel of its own.
// CHECK: func.func @main
// CHECK-COUNT-3: "kernel.call"
// CHECK-NOT: "kernel.call"
module {
  func.func @main(%x: tensor<4x8xf32>, %w: tensor<8x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
    %0 = "nn.exp"(%x) : (tensor<4x8xf32>) -> tensor<4x8xf32>
    %1 = "nn.matmul"(%0, %w) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
    %2 = "nn.tanh"(%0) : (tensor<4x8xf32>) -> tensor<4x8xf32>
    return %1, %2 : tensor<4x8xf32>, tensor<4x8xf32>
  }
}

// -----

// A softmax, spelled as reductions over the last dim, is one kernel; its operand's chain is not computed in the matmul's.
// CHECK: "nn.reduce"
// CHECK-NEXT: "nn.sub"
// CHECK-NEXT: "nn.exp"
// CHECK-NEXT: "nn.reduce"
// CHECK-NEXT: "nn.div"
// CHECK-NEXT: "kernel.return"
// CHECK: func.func @main
// CHECK: "kernel.call"
// CHECK-NOT: "kernel.call"
module {
  func.func @main(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
    %0 = "nn.reduce"(%x) {kind = "max", axes = array<i64: 1>, keep_dims = true} : (tensor<4x8xf32>) -> tensor<4x1xf32>
    %1 = "nn.sub"(%x, %0) : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
    %2 = "nn.exp"(%1) : (tensor<4x8xf32>) -> tensor<4x8xf32>
    %3 = "nn.reduce"(%2) {kind = "add", axes = array<i64: 1>, keep_dims = true} : (tensor<4x8xf32>) -> tensor<4x1xf32>
    %4 = "nn.div"(%2, %3) : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
    return %4 : tensor<4x8xf32>
  }
}

// -----

// Reductions over the first dim have no rows: what follows them in the full shape is another kernel.
// CHECK: func.func @main
// CHECK-COUNT-2: "kernel.call"
// CHECK-NOT: "kernel.call"
module {
  func.func @main(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
    %0 = "nn.reduce"(%x) {kind = "max", axes = array<i64: 0>, keep_dims = true} : (tensor<4x8xf32>) -> tensor<1x8xf32>
    %1 = "nn.sub"(%x, %0) : (tensor<4x8xf32>, tensor<1x8xf32>) -> tensor<4x8xf32>
    return %1 : tensor<4x8xf32>
  }
}

// -----

// Reshapes stay outside and cost nothing; equal kernels are one symbol.
// CHECK: "kernel.func"
// CHECK-NOT: "kernel.func"
// CHECK: func.func @main
// CHECK: "kernel.call"(%{{.*}}) {callee = @[[RELU:[a-z]+]]}
// CHECK: "nn.reshape"
// CHECK: "kernel.call"(%{{.*}}) {callee = @[[RELU]]}
module {
  func.func @main(%x: tensor<4x8xf32>) -> (tensor<32xf32>, tensor<4x8xf32>) {
    %0 = "nn.relu"(%x) : (tensor<4x8xf32>) -> tensor<4x8xf32>
    %1 = "nn.reshape"(%0) : (tensor<4x8xf32>) -> tensor<32xf32>
    %2 = "nn.relu"(%0) : (tensor<4x8xf32>) -> tensor<4x8xf32>
    return %1, %2 : tensor<32xf32>, tensor<4x8xf32>
  }
}

// -----

// An RMS norm is one kernel: the row's statistic, what is made of it, and its use on every element.
// CHECK: "nn.reduce"
// CHECK: "kernel.return"
// CHECK: func.func @main
// CHECK: "kernel.call"
// CHECK-NOT: "kernel.call"
module {
  func.func @main(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
    %0 = "nn.mul"(%x, %x) : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
    %1 = "nn.reduce"(%0) {kind = "mean", axes = array<i64: 1>, keep_dims = true} : (tensor<4x8xf32>) -> tensor<4x1xf32>
    %2 = "nn.sqrt"(%1) : (tensor<4x1xf32>) -> tensor<4x1xf32>
    %3 = "nn.div"(%x, %2) : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
    return %3 : tensor<4x8xf32>
  }
}

// -----

// A matmul reads a slice of a joined tensor, split into heads and transposed, where it lies; it stores its rows
// transposed. The reshape before the view stays outside.
// CHECK: "nn.slice"
// CHECK-NEXT: "nn.transpose"
// CHECK-NEXT: "nn.matmul"
// CHECK-NEXT: "nn.relu"
// CHECK-NEXT: "nn.transpose"
// CHECK-NEXT: "kernel.return"
// CHECK: func.func @main
// CHECK: "nn.reshape"
// CHECK: "kernel.call"
// CHECK-NOT: "kernel.call"
module {
  func.func @main(%p: tensor<3x4x4xf32>, %x: tensor<4x18xf32>) -> tensor<4x3x2xf32> {
    %0 = "nn.reshape"(%x) : (tensor<4x18xf32>) -> tensor<4x9x2xf32>
    %1 = "nn.slice"(%0) {starts = [0 : i64, 3 : i64, 0 : i64], ends = [4 : i64, 6 : i64, 2 : i64], steps = array<i64: 1, 1, 1>} : (tensor<4x9x2xf32>) -> tensor<4x3x2xf32>
    %2 = "nn.transpose"(%1) {perm = array<i64: 1, 0, 2>} : (tensor<4x3x2xf32>) -> tensor<3x4x2xf32>
    %3 = "nn.matmul"(%p, %2) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<3x4x4xf32>, tensor<3x4x2xf32>) -> tensor<3x4x2xf32>
    %4 = "nn.relu"(%3) : (tensor<3x4x2xf32>) -> tensor<3x4x2xf32>
    %5 = "nn.transpose"(%4) {perm = array<i64: 1, 0, 2>} : (tensor<3x4x2xf32>) -> tensor<4x3x2xf32>
    return %5 : tensor<4x3x2xf32>
  }
}

// -----

// Not fused: a transpose that moves the last axis would store single elements, and an activation before a view would
// be computed again for every row that reads it.
// CHECK: func.func @main
// CHECK-COUNT-3: "kernel.call"
// CHECK-NOT: "kernel.call"
module {
  func.func @main(%p: tensor<3x4x4xf32>, %x: tensor<4x3x2xf32>) -> tensor<3x2x4xf32> {
    %0 = "nn.exp"(%x) : (tensor<4x3x2xf32>) -> tensor<4x3x2xf32>
    %1 = "nn.transpose"(%0) {perm = array<i64: 1, 0, 2>} : (tensor<4x3x2xf32>) -> tensor<3x4x2xf32>
    %2 = "nn.matmul"(%p, %1) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<3x4x4xf32>, tensor<3x4x2xf32>) -> tensor<3x4x2xf32>
    %3 = "nn.transpose"(%2) {perm = array<i64: 0, 2, 1>} : (tensor<3x4x2xf32>) -> tensor<3x2x4xf32>
    return %3 : tensor<3x2x4xf32>
  }
}

// -----

// A concatenation of kernels' results along the outermost dim stays outside: they are made side by side.
// CHECK: func.func @main
// CHECK: "kernel.call"
// CHECK: "kernel.call"
// CHECK: "nn.concat"
// CHECK: "kernel.call"
module {
  func.func @main(%x: tensor<1x4x8xf32>) -> tensor<1x8x8xf32> {
    %0 = "nn.exp"(%x) : (tensor<1x4x8xf32>) -> tensor<1x4x8xf32>
    %1 = "nn.relu"(%x) : (tensor<1x4x8xf32>) -> tensor<1x4x8xf32>
    %2 = "nn.concat"(%0, %1) {axis = 1 : i64} : (tensor<1x4x8xf32>, tensor<1x4x8xf32>) -> tensor<1x8x8xf32>
    %3 = "nn.tanh"(%2) : (tensor<1x8x8xf32>) -> tensor<1x8x8xf32>
    return %3 : tensor<1x8x8xf32>
  }
}

// -----

// Not so along an inner dim, with an input as a part, one part twice, a part at an address that is not aligned, or a
// part that the function returns.
// CHECK: func.func @main
// CHECK-NOT: "nn.concat"
// CHECK: return
module {
  func.func @main(%x: tensor<2x3xf32>) -> (tensor<2x6xf32>, tensor<4x3xf32>, tensor<4x3xf32>, tensor<4x3xf32>, tensor<4x3xf32>, tensor<2x3xf32>) {
    %0 = "nn.exp"(%x) : (tensor<2x3xf32>) -> tensor<2x3xf32>
    %1 = "nn.relu"(%x) : (tensor<2x3xf32>) -> tensor<2x3xf32>
    %2 = "nn.concat"(%0, %1) {axis = 1 : i64} : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x6xf32>
    %3 = "nn.concat"(%0, %x) {axis = 0 : i64} : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<4x3xf32>
    %4 = "nn.concat"(%0, %0) {axis = 0 : i64} : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<4x3xf32>
    %5 = "nn.concat"(%0, %1) {axis = 0 : i64} : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<4x3xf32>
    %6 = "nn.sin"(%x) : (tensor<2x3xf32>) -> tensor<2x3xf32>
    %7 = "nn.concat"(%6, %0) {axis = 0 : i64} : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<4x3xf32>
    return %2, %3, %4, %5, %7, %6 : tensor<2x6xf32>, tensor<4x3xf32>, tensor<4x3xf32>, tensor<4x3xf32>, tensor<4x3xf32>, tensor<2x3xf32>
  }
}

// -----

// Attention reads queries, keys and values where they lie side by side, makes its mask of the padding as it goes, and
// stores its heads side by side.
// CHECK: "kernel.func"
// CHECK: ^bb0(%{{.*}}: tensor<2x5x24xf32>, %{{.*}}: tensor<2x5xi64>):
// CHECK-COUNT-3: "nn.slice"
// CHECK: "nn.attention"
// CHECK-NEXT: "nn.transpose"
// CHECK-NEXT: "kernel.return"
// CHECK: func.func @main
// CHECK: "kernel.call"
// CHECK-NEXT: "nn.reshape"
// CHECK-NOT: "kernel.call"
module {
  func.func @main(%x: tensor<2x5x24xf32>, %pad: tensor<2x5xi64>) -> tensor<2x5x8xf32> {
    %0 = "nn.slice"(%x) {starts = array<i64: 0, 0, 0>, ends = array<i64: 2, 5, 8>, steps = array<i64: 1, 1, 1>} : (tensor<2x5x24xf32>) -> tensor<2x5x8xf32>
    %1 = "nn.slice"(%x) {starts = array<i64: 0, 0, 8>, ends = array<i64: 2, 5, 16>, steps = array<i64: 1, 1, 1>} : (tensor<2x5x24xf32>) -> tensor<2x5x8xf32>
    %2 = "nn.slice"(%x) {starts = array<i64: 0, 0, 16>, ends = array<i64: 2, 5, 24>, steps = array<i64: 1, 1, 1>} : (tensor<2x5x24xf32>) -> tensor<2x5x8xf32>
    %3 = "nn.reshape"(%0) : (tensor<2x5x8xf32>) -> tensor<2x5x2x4xf32>
    %4 = "nn.reshape"(%1) : (tensor<2x5x8xf32>) -> tensor<2x5x2x4xf32>
    %5 = "nn.reshape"(%2) : (tensor<2x5x8xf32>) -> tensor<2x5x2x4xf32>
    %q = "nn.transpose"(%3) {perm = array<i64: 0, 2, 1, 3>} : (tensor<2x5x2x4xf32>) -> tensor<2x2x5x4xf32>
    %k = "nn.transpose"(%4) {perm = array<i64: 0, 2, 1, 3>} : (tensor<2x5x2x4xf32>) -> tensor<2x2x5x4xf32>
    %v = "nn.transpose"(%5) {perm = array<i64: 0, 2, 1, 3>} : (tensor<2x5x2x4xf32>) -> tensor<2x2x5x4xf32>
    %keep = "nn.cast"(%pad) {to = i1} : (tensor<2x5xi64>) -> tensor<2x5xi1>
    %mask = "nn.reshape"(%keep) : (tensor<2x5xi1>) -> tensor<2x1x1x5xi1>
    %6 = "nn.attention"(%q, %k, %v, %mask) {causal = false} : (tensor<2x2x5x4xf32>, tensor<2x2x5x4xf32>, tensor<2x2x5x4xf32>, tensor<2x1x1x5xi1>) -> tensor<2x2x5x4xf32>
    %7 = "nn.transpose"(%6) {perm = array<i64: 0, 2, 1, 3>} : (tensor<2x2x5x4xf32>) -> tensor<2x5x2x4xf32>
    %8 = "nn.reshape"(%7) : (tensor<2x5x2x4xf32>) -> tensor<2x5x8xf32>
    return %8 : tensor<2x5x8xf32>
  }
}

// -----

// What many read, and what costs more than reading it, is no part of attention's mask.
// CHECK: func.func @main
// CHECK-COUNT-2: "kernel.call"
// CHECK-NOT: "kernel.call"
module {
  func.func @main(%q: tensor<2x2x5x4xf32>, %distance: tensor<5x5xf32>) -> tensor<2x2x5x4xf32> {
    %bias = "nn.log"(%distance) : (tensor<5x5xf32>) -> tensor<5x5xf32>
    %0 = "nn.attention"(%q, %q, %q, %bias) {causal = false} : (tensor<2x2x5x4xf32>, tensor<2x2x5x4xf32>, tensor<2x2x5x4xf32>, tensor<5x5xf32>) -> tensor<2x2x5x4xf32>
    return %0 : tensor<2x2x5x4xf32>
  }
}
