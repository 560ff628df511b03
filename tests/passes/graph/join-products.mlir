// RUN: kernelwright opt %s --pass-pipeline=join-products --split-input-file | filecheck %s

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<4x8xf32>) -> tensor<4x4xf32> {
  // CHECK: %[[W:.*]] = "nn.concat"({{.*}}) {axis = 1 : i64}
  // CHECK: %[[P:.*]] = "nn.matmul"(%x, %[[W]])
  // CHECK-SAME: -> tensor<4x24xf32>
  // CHECK: %[[B:.*]] = "nn.concat"({{.*}}) {axis = 0 : i64}
  // CHECK: %[[S:.*]] = "nn.add"(%[[P]], %[[B]])
  // CHECK: "nn.slice"(%[[S]]) {starts = array<i64: 0, 0>, ends = array<i64: 4, 8>
  // CHECK: "nn.slice"(%[[S]]) {starts = array<i64: 0, 8>, ends = array<i64: 4, 24>
  // CHECK-COUNT-1: "nn.matmul"
  // CHECK-NOT: "nn.matmul"(%x
  %wq = "nn.constant"() {value = dense<1.0> : tensor<8x8xf32>} : () -> tensor<8x8xf32>
  %wk = "nn.constant"() {value = dense<2.0> : tensor<8x16xf32>} : () -> tensor<8x16xf32>
  %bq = "nn.constant"() {value = dense<3.0> : tensor<8xf32>} : () -> tensor<8xf32>
  %bk = "nn.constant"() {value = dense<4.0> : tensor<16xf32>} : () -> tensor<16xf32>
  %0 = "nn.matmul"(%x, %wq) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  %q = "nn.add"(%bq, %0) : (tensor<8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %1 = "nn.matmul"(%x, %wk) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %k = "nn.add"(%1, %bk) : (tensor<4x16xf32>, tensor<16xf32>) -> tensor<4x16xf32>
  %2 = "nn.slice"(%k) {starts = [0 : i64, 0 : i64], ends = [4 : i64, 8 : i64], steps = array<i64: 1, 1>} : (tensor<4x16xf32>) -> tensor<4x8xf32>
  %3 = "nn.matmul"(%q, %2) {trans_a = false, trans_b = true, precision = "ieee"} : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x4xf32>
  return %3 : tensor<4x4xf32>
}

// -----

// Not joined: an activation reads one of them, which its kernel would have to copy.
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<4x8xf32>) -> tensor<4x4xf32> {
  // CHECK-NOT: "nn.slice"
  // CHECK-COUNT-3: "nn.matmul"
  %w = "nn.constant"() {value = dense<1.0> : tensor<8x8xf32>} : () -> tensor<8x8xf32>
  %0 = "nn.matmul"(%x, %w) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  %1 = "nn.matmul"(%x, %w) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  %2 = "nn.relu"(%1) : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %3 = "nn.matmul"(%0, %2) {trans_a = false, trans_b = true, precision = "ieee"} : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x4xf32>
  return %3 : tensor<4x4xf32>
}

// -----

// Not joined: weights that are not known, another precision, and a result that the function returns.
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<4x8xf32>, %w: tensor<8x8xf32>) -> (tensor<4x4xf32>, tensor<4x8xf32>) {
  // CHECK-NOT: "nn.slice"
  // CHECK-COUNT-4: "nn.matmul"
  %c = "nn.constant"() {value = dense<1.0> : tensor<8x8xf32>} : () -> tensor<8x8xf32>
  %0 = "nn.matmul"(%x, %c) {trans_a = false, trans_b = false, precision = "tf32"} : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  %1 = "nn.matmul"(%x, %w) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  %2 = "nn.matmul"(%x, %c) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  %3 = "nn.matmul"(%0, %1) {trans_a = false, trans_b = true, precision = "ieee"} : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x4xf32>
  return %3, %2 : tensor<4x4xf32>, tensor<4x8xf32>
}
