// RUN: kernelwright opt %s --pass-pipeline=fold-batch-norm,fold-constants --split-input-file | filecheck %s

// CHECK-LABEL: func.func @after_a_convolution
func.func @after_a_convolution(%x: tensor<1x1x5xf32>) -> tensor<1x2x4xf32> {
  // CHECK: %[[W:.*]] = "nn.constant"() {value = dense<[{{\[\[}}2.0, 4.0]], {{\[\[}}0.5, 1.0]]]> : tensor<2x1x2xf32>}
  // CHECK: %[[B:.*]] = "nn.constant"() {value = dense<[22.0, 10.0]> : tensor<2xf32>}
  // CHECK-NEXT: "nn.conv"(%x, {{.*}}) {strides = array<i64: 1>, {{.*}}loc(fused["conv", "norm"])
  // CHECK-NEXT: return
  %w = "nn.constant"() {value = dense<[[[1.0, 2.0]], [[1.0, 2.0]]]> : tensor<2x1x2xf32>} : () -> tensor<2x1x2xf32>
  %b = "nn.constant"() {value = dense<[7.0, 1.0]> : tensor<2xf32>} : () -> tensor<2xf32>
  %s = "nn.constant"() {value = dense<[2.0, 1.0]> : tensor<2xf32>} : () -> tensor<2xf32>
  %t = "nn.constant"() {value = dense<[10.0, 10.0]> : tensor<2xf32>} : () -> tensor<2xf32>
  %m = "nn.constant"() {value = dense<[1.0, 1.0]> : tensor<2xf32>} : () -> tensor<2xf32>
  %v = "nn.constant"() {value = dense<[0.75, 3.75]> : tensor<2xf32>} : () -> tensor<2xf32>
  %0 = "nn.conv"(%x, %w, %b) {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, group = 1 : i64, precision = "ieee"} : (tensor<1x1x5xf32>, tensor<2x1x2xf32>, tensor<2xf32>) -> tensor<1x2x4xf32> loc("conv")
  %1 = "nn.batch_norm"(%0, %s, %t, %m, %v) {epsilon = 0.25 : f64} : (tensor<1x2x4xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x4xf32> loc("norm")
  return %1 : tensor<1x2x4xf32>
}

// -----

// CHECK-LABEL: func.func @after_a_matrix_product
func.func @after_a_matrix_product(%x: tensor<3x1xf32>) -> tensor<3x2xf32> {
  // CHECK: "nn.constant"() {value = dense<{{\[\[}}2.0], [0.5]]> : tensor<2x1xf32>}
  // CHECK: "nn.matmul"({{.*}}trans_b = true
  // CHECK: "nn.add"
  // CHECK-NEXT: return
  %w = "nn.constant"() {value = dense<[[1.0], [1.0]]> : tensor<2x1xf32>} : () -> tensor<2x1xf32>
  %b = "nn.constant"() {value = dense<[7.0, 1.0]> : tensor<2xf32>} : () -> tensor<2xf32>
  %s = "nn.constant"() {value = dense<[2.0, 1.0]> : tensor<2xf32>} : () -> tensor<2xf32>
  %v = "nn.constant"() {value = dense<[0.75, 3.75]> : tensor<2xf32>} : () -> tensor<2xf32>
  %0 = "nn.matmul"(%x, %w) {trans_a = false, trans_b = true, precision = "ieee"} : (tensor<3x1xf32>, tensor<2x1xf32>) -> tensor<3x2xf32>
  %1 = "nn.add"(%0, %b) : (tensor<3x2xf32>, tensor<2xf32>) -> tensor<3x2xf32>
  %2 = "nn.batch_norm"(%1, %s, %b, %b, %v) {epsilon = 0.25 : f64} : (tensor<3x2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<3x2xf32>
  return %2 : tensor<3x2xf32>
}

// -----

// CHECK-LABEL: func.func @alone
func.func @alone(%x: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  // CHECK: "nn.constant"() {value = dense<{{\[\[}}2.0], [0.5]]> : tensor<2x1xf32>}
  // CHECK: "nn.mul"(%x
  // CHECK: "nn.add"
  // CHECK-NEXT: return
  %s = "nn.constant"() {value = dense<[2.0, 1.0]> : tensor<2xf32>} : () -> tensor<2xf32>
  %v = "nn.constant"() {value = dense<[0.75, 3.75]> : tensor<2xf32>} : () -> tensor<2xf32>
  %0 = "nn.batch_norm"(%x, %s, %s, %s, %v) {epsilon = 0.25 : f64} : (tensor<1x2x4xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x4xf32>
  return %0 : tensor<1x2x4xf32>
}

// -----

// CHECK-LABEL: func.func @the_convolution_is_read_twice
func.func @the_convolution_is_read_twice(%x: tensor<1x1x5xf32>) -> (tensor<1x2x4xf32>, tensor<1x2x4xf32>) {
  // CHECK: "nn.conv"(%x, %w)
  // CHECK: "nn.mul"
  // CHECK: "nn.add"
  %w = "nn.constant"() {value = dense<1.0> : tensor<2x1x2xf32>} : () -> tensor<2x1x2xf32>
  %s = "nn.constant"() {value = dense<[2.0, 1.0]> : tensor<2xf32>} : () -> tensor<2xf32>
  %0 = "nn.conv"(%x, %w) {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, group = 1 : i64, precision = "ieee"} : (tensor<1x1x5xf32>, tensor<2x1x2xf32>) -> tensor<1x2x4xf32>
  %1 = "nn.batch_norm"(%0, %s, %s, %s, %s) {epsilon = 0.25 : f64} : (tensor<1x2x4xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x4xf32>
  return %0, %1 : tensor<1x2x4xf32>, tensor<1x2x4xf32>
}
