// RUN: kernelwright opt %s --pass-pipeline=decompose --split-input-file | filecheck %s
// RUN: kernelwright opt %s --pass-pipeline=decompose{keep-attention=true} --split-input-file | filecheck %s --check-prefix=KEEP

// CHECK-LABEL: func.func @softmax
func.func @softmax(%x: tensor<2x9xf32>) -> tensor<2x9xf32> {
  // CHECK-NEXT: %0 = "nn.reduce"(%x) {kind = "max", axes = array<i64: 1>, keep_dims = true} : (tensor<2x9xf32>) -> tensor<2x1xf32>
  // CHECK-NEXT: %1 = "nn.sub"(%x, %0)
  // CHECK-NEXT: %2 = "nn.exp"(%1)
  // CHECK-NEXT: %3 = "nn.reduce"(%2) {kind = "add", axes = array<i64: 1>, keep_dims = true}
  // CHECK-NEXT: %4 = "nn.reciprocal"(%3)
  // CHECK-NEXT: %y = "nn.mul"(%2, %4)
  // CHECK-NEXT: return %y
  %y = "nn.softmax"(%x) {axis = 1 : i64} : (tensor<2x9xf32>) -> tensor<2x9xf32>
  return %y : tensor<2x9xf32>
}

// -----

// CHECK-LABEL: func.func @narrow_floats_are_normalized_in_f32
func.func @narrow_floats_are_normalized_in_f32(%x: tensor<2x9xf16>, %s: tensor<9xf16>) -> tensor<2x9xf16> {
  // CHECK-NEXT: %0 = "nn.cast"(%x) {to = f32}
  // CHECK: "nn.reduce"({{.*}}) {kind = "mean"
  // CHECK: "nn.rsqrt"
  // CHECK: "nn.cast"(%s) {to = f32}
  // CHECK: %y = "nn.cast"({{.*}}) {to = f16} : (tensor<2x9xf32>) -> tensor<2x9xf16>
  // CHECK-NEXT: return %y
  %y = "nn.rms_norm"(%x, %s) {axis = 1 : i64, epsilon = 1.0e-06 : f64} : (tensor<2x9xf16>, tensor<9xf16>) -> tensor<2x9xf16>
  return %y : tensor<2x9xf16>
}

// -----

// CHECK-LABEL: func.func @attention
// KEEP-LABEL: func.func @attention
func.func @attention(%q: tensor<1x2x3x4xf32>, %k: tensor<1x2x5x4xf32>) -> tensor<1x2x3x4xf32> {
  // CHECK: "nn.matmul"(%q, %k) {{.*}}trans_b = true
  // CHECK-NOT: nn.softmax
  // CHECK: "nn.matmul"
  // KEEP-NEXT: "nn.attention"
  %y = "nn.attention"(%q, %k, %k) {causal = false} : (tensor<1x2x3x4xf32>, tensor<1x2x5x4xf32>, tensor<1x2x5x4xf32>) -> tensor<1x2x3x4xf32>
  return %y : tensor<1x2x3x4xf32>
}

// -----

// CHECK-LABEL: func.func @other_ops_stay
func.func @other_ops_stay(%x: tensor<2x9xf32>) -> tensor<2x9xf32> {
  // CHECK-NEXT: %0 = "nn.gelu"
  %0 = "nn.gelu"(%x) {approximate = "none"} : (tensor<2x9xf32>) -> tensor<2x9xf32>
  return %0 : tensor<2x9xf32>
}

// -----

// Parts of a long axis are sorted, and merged in pairs of which as many stay as are asked for; the largest of a short
// axis are found in one kernel.
// CHECK-LABEL: func.func @main
// CHECK: "nn.reduce"(%{{.*}}) {kind = "min", axes = array<i64: 2>, keep_dims = false} : (tensor<8x64x64xi64>) -> tensor<8x64xi64>
// CHECK: "nn.merge_runs"(%{{.*}}) {keep = 64 : i64} : (tensor<512xi64>, tensor<i64>) -> tensor<256xi64>
// CHECK: "nn.merge_runs"(%{{.*}}) {keep = 64 : i64} : (tensor<256xi64>, tensor<i64>) -> tensor<128xi64>
// CHECK: "nn.merge_runs"(%{{.*}}) {keep = 64 : i64} : (tensor<128xi64>, tensor<i64>) -> tensor<64xi64>
// CHECK: "nn.gather_elements"(%x
// CHECK-NEXT: "nn.top_k"(%y)
module {
  func.func @main(%x: tensor<500xi32>, %y: tensor<32xi32>) -> (tensor<3xi32>, tensor<3xi32>) {
    %v, %i = "nn.top_k"(%x) {k = 3 : i64, axis = 0 : i64, largest = true} : (tensor<500xi32>) -> (tensor<3xi32>, tensor<3xi64>)
    %w, %j = "nn.top_k"(%y) {k = 3 : i64, axis = 0 : i64, largest = true} : (tensor<32xi32>) -> (tensor<3xi32>, tensor<3xi64>)
    return %v, %w : tensor<3xi32>, tensor<3xi32>
  }
}
