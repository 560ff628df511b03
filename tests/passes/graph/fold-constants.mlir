// RUN: kernelwright opt %s --pass-pipeline=fold-constants --split-input-file | filecheck %s
// RUN: kernelwright opt %s --pass-pipeline='fold-constants{max-bytes=8}' --split-input-file | filecheck %s --check-prefix=SMALL

// CHECK-LABEL: func.func @ops_of_constants
// SMALL-LABEL: func.func @ops_of_constants
func.func @ops_of_constants() -> tensor<4xf32> {
  // CHECK-NEXT: %0 = "nn.constant"() {value = dense<[3.0, 4.0, 5.0, 6.0]> : tensor<4xf32>}
  // CHECK-NEXT: return %0
  // SMALL: nn.add
  %0 = "nn.constant"() {value = dense<[1.0, 4.0, 9.0, 16.0]> : tensor<4xf32>} : () -> tensor<4xf32>
  %two = "nn.constant"() {value = dense<2.0> : tensor<f32>} : () -> tensor<f32>
  %root = "nn.sqrt"(%0) : (tensor<4xf32>) -> tensor<4xf32>
  %1 = "nn.add"(%root, %two) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return %1 : tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @several_results
func.func @several_results() -> (tensor<2xf32>, tensor<2xi64>) {
  // CHECK-NEXT: %v = "nn.constant"() {value = dense<[7.0, 5.0]> : tensor<2xf32>}
  // CHECK-NEXT: %i = "nn.constant"() {value = dense<[2, 1]> : tensor<2xi64>}
  // CHECK-NEXT: return
  %0 = "nn.constant"() {value = dense<[1.0, 5.0, 7.0]> : tensor<3xf32>} : () -> tensor<3xf32>
  %v, %i = "nn.top_k"(%0) {k = 2 : i64, axis = 0 : i64, largest = true} : (tensor<3xf32>) -> (tensor<2xf32>, tensor<2xi64>)
  return %v, %i : tensor<2xf32>, tensor<2xi64>
}

// -----

// CHECK-LABEL: func.func @large_values_are_resources
func.func @large_values_are_resources() -> (tensor<17xi64>, tensor<17xi64>) {
  // CHECK: dense_resource<constant.iota> : tensor<17xi64>
  // CHECK: dense_resource<constant.iota_1> : tensor<17xi64>
  %0 = "nn.iota"() {axis = 0 : i64, start = 0 : i64} : () -> tensor<17xi64>
  %1 = "nn.iota"() {axis = 0 : i64, start = 5 : i64} : () -> tensor<17xi64>
  return %0, %1 : tensor<17xi64>, tensor<17xi64>
}

// -----

// CHECK-LABEL: func.func @what_is_not_known_stays
func.func @what_is_not_known_stays(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<?xi64, #kw.dims<"n">>, tensor<3xi64>, tensor<i64>) {
  // CHECK: "nn.add"
  // CHECK: "nn.iota"
  // CHECK: "nn.iota"() {axis = 0 : i64, start = "past"}
  // CHECK: "nn.size"
  %0 = "nn.constant"() {value = dense<2.0> : tensor<f32>} : () -> tensor<f32>
  %1 = "nn.add"(%x, %0) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %2 = "nn.iota"() {axis = 0 : i64, start = 0 : i64} : () -> tensor<?xi64, #kw.dims<"n">>
  %3 = "nn.iota"() {axis = 0 : i64, start = "past"} : () -> tensor<3xi64>
  %4 = "nn.size"() {value = "n"} : () -> tensor<i64>
  return %1, %2, %3, %4 : tensor<4xf32>, tensor<?xi64, #kw.dims<"n">>, tensor<3xi64>, tensor<i64>
}

// -----

// CHECK-LABEL: func.func @repeated_numbers_stay_few
func.func @repeated_numbers_stay_few() -> tensor<1024xf32> {
  // CHECK: "nn.broadcast_to"
  %0 = "nn.constant"() {value = dense<2.0> : tensor<1xf32>} : () -> tensor<1xf32>
  %1 = "nn.broadcast_to"(%0) : (tensor<1xf32>) -> tensor<1024xf32>
  return %1 : tensor<1024xf32>
}
